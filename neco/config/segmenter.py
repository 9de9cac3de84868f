"""Settings of fine-tuning with Segmenter. Source: paper, appendix A.2; CrIBo's configurations."""

from typing import ClassVar, Literal

from pydantic import Field

from neco.config.base import Count, Positive, Range, Seeds
from neco.config.protocol import Evaluated, Preset
from neco.normalisation import Colours

SHORT = {"iterations": 80_000}
CONTEXT = {**SHORT, "image_scale": (520, 520)}
CRIBO = Preset(on={"pascal-voc": SHORT, "pascal-context": {**CONTEXT, "cut_size": 480}})


class Segmenter(Evaluated):
    """Fine-tuning of the whole network with Segmenter's mask transformer (paper, appendix A.2).

    Where the paper and CrIBo's configurations say nothing, MMSegmentation's own configurations of
    Segmenter decide."""

    presets: ClassVar[dict[str, Preset]] = {
        "paper": Preset(on={"pascal-voc": SHORT, "pascal-context": CONTEXT}),
        "cribo": CRIBO,
        "released": CRIBO,
    }

    preset: Literal["paper", "cribo", "released"] = "paper"
    """Named starting point. `paper`: crops of 512 pixels on every dataset, as its text says, and
    CrIBo's configurations in all else, as its text says too. `cribo`, and `released`, which is the
    same: CrIBo's configurations, which cut 480 pixels on Pascal Context."""
    learning_rates: list[Positive] = Field([8e-5, 3e-5, 1e-5, 8e-6], min_length=1)
    """Learning rates of which each is trained; the one with the highest mIoU, mean over the seeds,
    is the result. More of them take proportionally longer (paper: these four)."""
    seeds: Seeds = [0]
    """Seeds of which each is trained with every learning rate. Trainings with other seeds differ by
    about 1 mIoU, more than the paper's gaps between DINOv2R and NeCo, so a verdict needs
    several."""
    iterations: int = Field(160_000, ge=1)
    """Optimiser steps. More of them take longer. Presets set 80,000 on Pascal VOC and Pascal
    Context (paper: 160,000 on the others)."""
    batch_size: int = Field(8, ge=1)
    """Crops in a step. A higher value needs more memory (8 in all, as MMSegmentation's 8 devices
    with one crop each)."""
    crop_size: int = Field(512, ge=8)
    """Width and height in pixels of a training crop and of a window that evaluation reads. Zeros
    are added around it up to a multiple of the patch size, 518 for patch 14. Larger crops show more
    at a time and take more memory (paper: 512)."""
    cut_size: int | None = Field(None, ge=8)
    """Width and height in pixels that are cut out of a training image and filled up to `crop_size`
    with zeros that the loss ignores; null cuts `crop_size` (CrIBo on Pascal Context: 480)."""
    colours: Colours = "cribo"
    """Mean and deviation that images are normalised with. `cribo`: 127.5 of 255 for both.
    `backbone`: the backbone's own. `hummingbird`: ImageNet's, with 0.255 for blue."""
    window_stride: int = Field(480, ge=1)
    """Pixels from one window to the next when a large image is evaluated. A lower value reads more
    windows that overlap more, and takes longer."""
    image_scale: tuple[Count, Count] = (2048, 512)
    """Longest and shortest side in pixels that an image is scaled to fit into. Higher values show
    more detail and take longer. Presets set 520 and 520 on Pascal Context."""
    scale_range: Range = (0.5, 2.0)
    """Smallest and largest random factor of `image_scale` in training. Higher values show smaller
    parts in a crop."""
    largest_share: float = Field(0.75, gt=0.0, le=1.0)
    """Largest share of a training crop's labelled pixels that one class may have. A crop above it
    is drawn again, up to ten times. A lower value shows more classes in a crop."""
    flip_probability: float = Field(0.5, ge=0.0, le=1.0)
    """Probability that a training image is mirrored, left to right."""
    decoder_layers: int = Field(2, ge=1)
    """Layers of the mask transformer. More of them make it larger and slower."""
    head_width: int = Field(64, ge=1)
    """Channels of each attention head of the mask transformer. A higher value makes fewer heads; 64
    gives 6 heads on ViT-S and 12 on ViT-B."""
    drop_path: float = Field(0.1, ge=0.0, lt=1.0)
    """Stochastic depth of backbone and mask transformer: the share of images for which the last
    block is left out, less for the blocks before it. A higher value drops more."""
    weight_decay: float = Field(0.0, ge=0.0)
    """Weight decay of the optimiser. A higher value pulls weights towards zero faster."""
    decay_power: float = Field(0.9, gt=0.0)
    """Power of the polynomial by which the learning rate falls. At 1 it falls in a straight line; a
    higher value makes it fall sooner."""
    final_rate: float = Field(0.1, ge=0.0, le=1.0)
    """Learning rate at the end as a share of that at the start (paper: 0.1)."""
    precision: Literal["auto", "32-true", "bf16-mixed"] = "32-true"
    """Arithmetic of the network. `32-true`: float32. `bf16-mixed`: bfloat16 in most products, which
    is faster on hardware that has it. `auto`: `bf16-mixed` where the hardware multiplies bfloat16,
    else `32-true`."""
    validate_every: int | None = Field(16_000, ge=1)
    """Iterations between evaluations during the training, for the curve in the metrics file. A
    lower value takes longer; null evaluates only at the end."""
    checkpoint_every: int = Field(1000, ge=1)
    """Iterations between checkpoints. A higher value writes less often and loses more iterations
    when the machine fails."""
    log_every: int = Field(50, ge=1)
    """Iterations between lines of the log. A higher value makes fewer lines."""

    def identity(self) -> "Segmenter":
        """Return the settings of one fine-tuning, without what changes reporting only."""
        alike = {"learning_rates": [], "seeds": [], "checkpoint_every": 1, "log_every": 1}
        return self.model_copy(update=alike)
