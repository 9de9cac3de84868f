"""Settings of fine-tuning with Segmenter. Source: paper, appendix A.2; CrIBo's configurations."""

from typing import ClassVar, Literal

from pydantic import Field

from neco.config.protocol import Evaluated, Preset
from neco.normalisation import Colours

SHORT = {"iterations": 80_000}
CONTEXT = {**SHORT, "image_scale": (520, 520)}
CRIBO = Preset(on={"pascal-voc": SHORT, "pascal-context": {**CONTEXT, "cut_size": 480}})


class Segmenter(Evaluated):
    """Fine-tuning of the whole network with Segmenter's mask transformer.

    Where paper and CrIBo are silent, MMSegmentation's own Segmenter configurations decide.
    """

    presets: ClassVar[dict[str, Preset]] = {
        "paper": Preset(on={"pascal-voc": SHORT, "pascal-context": CONTEXT}),
        "cribo": CRIBO,
        "released": CRIBO,
    }

    preset: Literal["paper", "cribo", "released"] = "paper"
    """Named starting point. `paper` crops 512 pixels everywhere, as its text says, and follows
    CrIBo in all else, as its text says too; `cribo`, of which `released` is another name, is
    CrIBo's configurations, which cut 480 pixels on Pascal Context."""
    learning_rates: list[float] = [8e-5, 3e-5, 1e-5, 8e-6]
    """Each is trained; the one with the highest mean mIoU over the seeds is the result."""
    seeds: list[int] = [0]
    """Reruns move by about 1 mIoU, more than the paper's gaps between DINOv2R and NeCo."""
    iterations: int = Field(160_000, ge=1)
    """Presets set 80,000 on Pascal VOC and Pascal Context."""
    batch_size: int = Field(8, ge=1)
    crop_size: int = Field(512, ge=8)
    """Side of a training crop and of an evaluated window in pixels; zeros are added around it up
    to a multiple of the patch size (518 for patch 14)."""
    cut_size: int | None = Field(None, ge=8)
    """Side of what is cut out of a training image, to be filled up to `crop_size` with zeros that
    the loss ignores; null: `crop_size`."""
    colours: Colours = "cribo"
    """Mean and deviation that images are normalised with: CrIBo's, 127.5 of 255 each, or the
    backbone's own."""
    window_stride: int = Field(480, ge=1)
    """Pixels between the windows that an evaluated image is read in."""
    image_scale: tuple[int, int] = (2048, 512)
    """Longest and shortest side that an image is scaled to fit in. Presets set 520, 520 on Pascal
    Context."""
    scale_range: tuple[float, float] = (0.5, 2.0)
    """Random factor of `image_scale` in training."""
    largest_share: float = Field(0.75, gt=0.0, le=1.0)
    """A crop in which one class has more of the labelled pixels is drawn again, ten times."""
    flip_probability: float = Field(0.5, ge=0.0, le=1.0)
    decoder_layers: int = Field(2, ge=1)
    head_width: int = Field(64, ge=1)
    """Channels of an attention head of the decoder: 6 heads on ViT-S, 12 on ViT-B."""
    drop_path: float = Field(0.1, ge=0.0, lt=1.0)
    """Stochastic depth of the last block, of backbone and decoder."""
    weight_decay: float = Field(0.0, ge=0.0)
    decay_power: float = Field(0.9, gt=0.0)
    """Of the polynomial decay of the learning rate."""
    final_rate: float = Field(0.1, ge=0.0, le=1.0)
    """Learning rate at the end as a share of the first (the paper's eta_min)."""
    precision: Literal["auto", "32-true", "bf16-mixed"] = "32-true"
    """`auto` is bf16-mixed where the hardware has bfloat16 arithmetic, else 32-true."""
    validate_every: int | None = Field(16_000, ge=1)
    """Iterations between evaluations on the way; null evaluates only at the end."""
    checkpoint_every: int = Field(1000, ge=1)
    log_every: int = Field(50, ge=1)

    def identity(self) -> "Segmenter":
        """Return the settings of one fine-tuning, without what changes reporting only."""
        alike = {"learning_rates": [], "seeds": [], "checkpoint_every": 1, "log_every": 1}
        return self.model_copy(update=alike)
