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
    """Named starting point. `paper`: crops of 512 pixels on every dataset, and CrIBo's
    configurations in all else, as the paper's text says. `cribo` and `released`, which are the
    same: CrIBo's configurations, which cut 480 pixels on Pascal Context."""
    learning_rates: list[Positive] = Field([8e-5, 3e-5, 1e-5, 8e-6], min_length=1)
    """Learning rates to train with. The result is the highest mIoU of these, as the mean over the
    seeds. More of them take proportionally longer (paper: these four)."""
    seeds: Seeds = [0]
    """Seeds to train with, each at every learning rate. Seeds change the mIoU by about 1, which is
    more than the paper's gaps between DINOv2R and NeCo, so a verdict needs several."""
    iterations: int = Field(160_000, ge=1)
    """Number of optimiser steps. More of them take longer. Presets set 80,000 on Pascal VOC and
    Pascal Context (paper: 160,000 on the others)."""
    batch_size: int = Field(8, ge=1)
    """Crops in a step. A higher value needs more memory (MMSegmentation: 8 devices with one crop
    each)."""
    crop_size: int = Field(512, ge=8)
    """Width and height in pixels of a training crop, and of the windows that an evaluation reads.
    Zeros are added around them up to a multiple of the patch size, which is 518 for patch 14.
    Larger crops show more at a time and take more memory (paper: 512)."""
    cut_size: int | None = Field(None, ge=8)
    """Width and height in pixels of what is cut out of a training image; the rest of `crop_size` is
    filled with zeros that the loss ignores. A higher value shows more of the image; null cuts
    `crop_size` (CrIBo on Pascal Context: 480)."""
    colours: Colours = "cribo"
    """Mean and standard deviation by which images are normalised. `cribo`: 127.5 of 255 for both.
    `backbone`: the backbone's own. `hummingbird`: ImageNet's, with 0.255 for blue."""
    window_stride: int = Field(480, ge=1)
    """Pixels from one window to the next when a large image is evaluated. With a higher value fewer
    windows are read, which overlap less, and the evaluation is faster."""
    image_scale: tuple[Count, Count] = (2048, 512)
    """Longest and shortest side in pixels that an image is scaled to fit into. Higher values show
    more detail and take longer. Presets set 520 and 520 on Pascal Context."""
    scale_range: Range = (0.5, 2.0)
    """Smallest and largest random factor by which `image_scale` is multiplied in training. With
    higher values a crop shows a smaller part of the image."""
    largest_share: float = Field(0.75, gt=0.0, le=1.0)
    """Largest share of a training crop's labelled pixels that one class may have. A crop above it
    is drawn again, up to ten times. A higher value allows crops with fewer classes."""
    flip_probability: float = Field(0.5, ge=0.0, le=1.0)
    """Probability that a training image is mirrored, left to right. A higher value mirrors more of
    them."""
    decoder_layers: int = Field(2, ge=1)
    """Number of layers of the mask transformer. More of them make it larger and slower."""
    head_width: int = Field(64, ge=1)
    """Channels of each attention head of the mask transformer. A higher value makes fewer heads: 64
    gives 6 heads on ViT-S and 12 on ViT-B."""
    drop_path: float = Field(0.1, ge=0.0, lt=1.0)
    """Stochastic depth of backbone and mask transformer: the probability that an image skips the
    last block. Earlier blocks are skipped less often. A higher value skips more."""
    weight_decay: float = Field(0.0, ge=0.0)
    """Weight decay of the optimiser. A higher value pulls weights towards zero faster."""
    decay_power: float = Field(0.9, gt=0.0)
    """Power of the polynomial by which the learning rate falls. At 1 it falls in a straight line;
    with a higher value it falls sooner."""
    final_rate: float = Field(0.1, ge=0.0, le=1.0)
    """Learning rate at the end, as a share of the one at the start. A higher value lets the last
    steps change more (paper: 0.1)."""
    precision: Literal["auto", "32-true", "bf16-mixed"] = "32-true"
    """Arithmetic of the network. `32-true`: float32. `bf16-mixed`: bfloat16 in most products, which
    is faster on hardware that supports it. `auto`: `bf16-mixed` where the hardware multiplies
    bfloat16, otherwise `32-true`."""
    validate_every: int | None = Field(16_000, ge=1)
    """Iterations between evaluations during the training, which make the curve in the metrics file.
    With a higher value the curve has fewer points and the training is faster; null evaluates only
    at the end."""
    checkpoint_every: int = Field(1000, ge=1)
    """Iterations between checkpoints. With a higher value fewer are written, and a machine that
    fails loses more iterations."""
    log_every: int = Field(50, ge=1)
    """Iterations between lines of the log. A higher value makes fewer lines."""

    def identity(self) -> "Segmenter":
        """Return the settings of one fine-tuning, without what changes reporting only."""
        alike = {"learning_rates": [], "seeds": [], "checkpoint_every": 1, "log_every": 1}
        return self.model_copy(update=alike)
