"""Settings of NeCo post-training.

The defaults are the preset `paper`: the numbers that the paper states (section 3, appendix A.1),
and the released code's behaviour where the paper is silent or its letter does not train.
"""

from typing import Any, Literal

from pydantic import Field, model_validator

from neco.config.base import Range, Seed, Settings, Shares, merged, nearest
from neco.config.loss import Loss
from neco.errors import UserError


class Crops(Settings):
    """Which regions of an image are cut out. A crop is such a region, and a view is the square
    image that is made from it and has colours of its own (paper, appendix A.1)."""

    global_count: int = Field(2, ge=2)
    """Large crops of each image. Only these go through the teacher. More of them make more pairs to
    compare, and a step takes longer (paper: 2)."""
    local_count: int = Field(4, ge=0)
    """Small crops of each image, which only the student sees. More of them make more pairs to
    compare, and a step takes longer (released code: 4)."""
    global_size: int = Field(224, ge=8)
    """Width and height of a global view in pixels. Larger views have more patches, show more detail
    and cost more time and memory (paper: 224; released DINOv2 configurations: 518)."""
    local_size: int = Field(98, ge=8)
    """Width and height of a local view in pixels, a multiple of the patch size: 98 for patch 14, 96
    for patch 16. Larger views cost more time and memory (paper)."""
    global_scale: Shares = (0.25, 1.0)
    """Smallest and largest share of the image's area that a global crop covers. Higher values make
    crops show more of the image and overlap more (released code)."""
    local_scale: Shares = (0.05, 0.25)
    """Smallest and largest share of the image's area that a local crop covers. Higher values make
    crops show more of the image (released code)."""
    aspect: Range = (0.75, 1.3333333333333333)
    """Smallest and largest ratio of a crop's width to its height. A wider range stretches crops
    more when they are resized to squares. Area and aspect are drawn together until the crop fits
    into the image. After ten draws the crop is the largest centred one whose aspect is in this
    range (3/4 to 4/3, as in torchvision)."""
    minimum_overlap: float = Field(0.01, ge=0.0, lt=1.0)
    """Least share of the image's area that each local crop has in common with each global crop.
    With a higher value the pairs show more of the same places (paper: 0.01)."""
    minimum_global_overlap: float = Field(0.01, ge=0.0, lt=1.0)
    """Least share of the image's area that two global crops have in common. With a higher value the
    pairs show more of the same places (paper: 0.01; released code: 0.02)."""
    attempts: int = Field(200, ge=1)
    """How often a crop is drawn until it overlaps the global crops before it. If no draw does, all
    crops are moved to the middle of the image, where they overlap. A higher value makes that rarer
    and takes longer on long, narrow images (the released code draws without end)."""


class Photometric(Settings):
    """Colour changes of each view, the same as Leopart's (paper, appendix A.1)."""

    jitter_probability: float = Field(0.8, ge=0.0, le=1.0)
    """Probability that brightness, contrast, saturation and hue of a view are changed. A higher
    value changes more views."""
    brightness: float = Field(0.8, ge=0.0)
    """Largest relative change of brightness: 0.8 multiplies it by 0.2 to 1.8. A higher value
    changes views more."""
    contrast: float = Field(0.8, ge=0.0)
    """Largest relative change of contrast: 0.8 multiplies it by 0.2 to 1.8. A higher value changes
    views more."""
    saturation: float = Field(0.8, ge=0.0)
    """Largest relative change of saturation: 0.8 multiplies it by 0.2 to 1.8. A higher value
    changes views more."""
    hue: float = Field(0.2, ge=0.0, le=0.5)
    """Largest turn of the hue as a share of the colour circle. At 0.5 any hue can become any other;
    at 0 the hue stays."""
    grayscale_probability: float = Field(0.2, ge=0.0, le=1.0)
    """Probability that a view loses its colours. A higher value makes more views grey."""
    blur_probability: float = Field(0.5, ge=0.0, le=1.0)
    """Probability that a view is blurred. A higher value blurs more views."""
    blur_sigma: Range = (0.1, 2.0)
    """Smallest and largest standard deviation of the Gaussian blur, in pixels of the view. Higher
    values blur more."""


class Teacher(Settings):
    """The network whose order of references is the target (paper, section 3)."""

    kind: Literal["ema", "student"] = "ema"
    """Which network is the teacher. `ema`: a moving average of the student. `student`: the student
    itself, without gradient (paper, Table 5b)."""
    head: Literal["apart", "copied"] = "apart"
    """How the teacher's head starts. `apart`: with random weights of its own (released code).
    `copied`: as a copy of the student's. If `head.start` is neither `random` nor `uniform`, the
    head is copied in any case."""
    momentum: float = Field(0.9995, ge=0.0, le=1.0)
    """Share of its own weights that the teacher keeps in a step, at the start of a cosine schedule.
    With a higher value the teacher follows the student more slowly (paper: 0.9995)."""
    final_momentum: float = Field(1.0, ge=0.0, le=1.0)
    """Share of its own weights that the teacher keeps at the end of the schedule. A higher value
    makes it slower there; at 1 the teacher stands still (paper: 1)."""
    moves: Literal["before_step", "after_step"] = "before_step"
    """When the teacher is updated in a step. `before_step`: before the optimiser changes the
    student, so that the teacher is one step behind (released code). `after_step`: after it."""


class Head(Settings):
    """The projection head: linear layers with GELU between them (paper, appendix A.1)."""

    layers: int = Field(3, ge=0)
    """Linear layers of the head. At 0 the backbone's own tokens are compared. More layers start
    further from these tokens, and the training has to be longer before the head orders patches by
    what they show (paper: 3)."""
    hidden: int = Field(2048, ge=1)
    """Width of the layers between, in numbers per token. A higher value makes the head larger and
    slower (paper: 2048)."""
    output: int = Field(256, ge=1)
    """Width of what is compared, in numbers per token. A higher value keeps more of the tokens and
    makes comparing slower. A residual head returns as many numbers as the backbone (paper: 256)."""
    start: Literal["random", "uniform", "orthogonal", "principal", "residual"] = "random"
    """What the first weights are. `random`: normal with a standard deviation of 0.02, no bias
    (released code since January 2025). `uniform`: PyTorch's default (released code before). Both
    order patches at random. The others keep the order that the backbone's tokens have.
    `orthogonal`, for one layer: a random rotation. `principal`, for one layer: the principal
    components of the first batch. `residual`: what the layers return starts at zero and is added to
    the tokens."""
    normalised: bool = True
    """`true` scales every token that the head returns to length 1 before RoIAlign averages tokens,
    so that all count the same (released code). `false` lets long tokens count more."""

    @model_validator(mode="after")
    def _one_linear_layer(self) -> "Head":
        if self.start in ("orthogonal", "principal") and self.layers != 1:
            raise ValueError(f"head: start {self.start} is one linear layer; set layers to 1")
        if self.start == "residual" and self.layers < 2:
            raise ValueError("head: start residual needs layers of 2 or more")
        return self


class Optimiser(Settings):
    """The optimiser, and the cosine schedules that it follows step by step (paper, appendix
    A.1)."""

    name: Literal["adamw", "adam"] = "adamw"
    """Which optimiser is used. `adamw` applies weight decay apart from the gradient (released
    code). `adam`, which the paper's text names, adds the decay to the gradient, as PyTorch's Adam
    does. Adam then divides it by the size of the gradient, and the weights go to zero
    (docs/recipe.md)."""
    head_learning_rate: float = Field(1e-4, ge=0.0)
    """Learning rate of the head at the start of its cosine schedule. A higher value changes the
    head faster. Lower it if `head_rank` in metrics.csv falls towards 1 (paper: 1e-4)."""
    backbone_learning_rate: float = Field(1e-6, ge=0.0)
    """Learning rate of the backbone at the start of its cosine schedule. A higher value changes the
    backbone faster and forgets more of its start. The paper has 1e-6 for DINOv2 and 1e-5 for other
    backbones, the released code 1e-5 for all."""
    final_learning_rate: float = Field(0.0, ge=0.0)
    """Learning rate of head and backbone at the end of the schedule. A higher value lets the last
    steps change more (paper: 0)."""
    warmup_steps: int = Field(0, ge=0)
    """Number of steps over which both learning rates rise from 0. More of them start the training
    more gently (paper: none)."""
    head_alone: int = Field(0, ge=0)
    """Number of steps at the start in which only the head learns. More of them let the head settle
    before the backbone changes (paper: none)."""
    weight_decay: float = Field(0.04, ge=0.0)
    """Weight decay at the start of its cosine schedule. A higher value pulls weights towards zero
    faster. Norms, biases and other vectors are never decayed (released code: 0.04)."""
    final_weight_decay: float = Field(0.5, ge=0.0)
    """Weight decay at the end of its cosine schedule. A higher value pulls weights towards zero
    faster in later steps (released code: 0.5)."""
    gradient_clip: float | None = Field(None, gt=0.0)
    """Largest norm of the gradient of all weights together; a longer gradient is shortened to it. A
    lower value makes single steps smaller; null does not clip (paper: none)."""


class Watch(Settings):
    """Bounds of a healthy training. When a row of metrics.csv falls below one of them, the training
    prints a warning. docs/recipe.md shows which runs the values were chosen from."""

    information: float = Field(0.1, ge=0.0, le=1.0)
    """Least information of the targets, from 0 to 1: 1 minus their entropy as a share of the
    largest possible entropy. At 0 the targets say nothing about the order of the references. A
    higher bound warns sooner."""
    head_rank: float = Field(2.0, ge=0.0)
    """Least effective rank of the student's aligned features, which is roughly the number of
    directions that they use. At 1 all patches point the same way. A higher bound warns sooner."""
    backbone_rank: float = Field(3.0, ge=0.0)
    """Least effective rank of the backbone's tokens, which is roughly the number of directions that
    they use. At 1 all tokens are alike. A higher bound warns sooner."""
    strict: bool = False
    """`true` saves a checkpoint and stops at the first warning; `false` trains on."""


class Train(Settings):
    """One NeCo training."""

    preset: Literal["paper", "released", "text", "fast"] = "paper"
    """Named starting point; every key that it sets can still be set by itself. `paper`: the paper's
    numbers with the behaviour of the released code, which is the run to reproduce the paper with.
    `released`: the published ViT-S/14 configuration, without the bugs of its code
    (docs/deviations.md). `text`: the paper's text to the letter, whose trainings collapse. `fast`:
    short trainings on your own images, which do not follow the paper. See docs/recipe.md."""
    dataset: str = "coco"
    """Name of the prepared dataset whose images are used for training. Its labels are not read
    (paper: COCO)."""
    split: str = "train"
    """Name of the split whose images are used for training."""
    epochs: int = Field(25, ge=1)
    """How often every image is used. More epochs take longer and stretch all schedules (paper: 25;
    ablations: 10)."""
    steps: int | None = Field(None, ge=1)
    """Number of optimiser steps of the whole training. More steps take longer and stretch all
    schedules; null takes the steps of `epochs`."""
    batch_size: int = Field(64, ge=1)
    """Images in a step, over all processes together. A higher value needs more memory and makes
    fewer steps of an epoch; learning rates do not change with it (paper: 64)."""
    accumulate: int = Field(1, ge=1)
    """Number of parts into which each process cuts its images of a step. It takes one part after
    the other, so a higher value needs less memory and gives the same gradient. If references come
    from the student, it costs one more forward pass of the global crops."""
    seed: Seed = 0
    """Seed of everything random: the order of images, crops, colours, references, the head's first
    weights and skipped blocks."""
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "32-true"
    """Arithmetic of the networks. `32-true`: float32. `bf16-mixed` and `16-mixed`: 16 bits in most
    products, which is faster on hardware that supports it. `auto`: `bf16-mixed` where the hardware
    multiplies bfloat16, otherwise `32-true`. The loss is always computed in float32."""
    compile: bool = False
    """`true` compiles the blocks of student and teacher with torch.compile. The first step then
    takes longer, and the others can be faster (docs/training.md). `false` runs them as they are."""
    drop_path: float = Field(0.1, ge=0.0, lt=1.0)
    """Stochastic depth of the student: the probability that an image skips the last block. Earlier
    blocks are skipped less often. A higher value skips more. The teacher skips none (released code:
    0.1)."""
    trainable_blocks: int | None = Field(None, ge=0)
    """How many of the last blocks are trained, together with the final norm. More blocks take more
    time and memory and keep less of the start; null trains the whole backbone (paper)."""
    workers: int = Field(8, ge=0)
    """Processes that read and decode images, for each process that trains. More of them help if
    steps wait for images (`data_wait` in metrics.csv), and need more processor cores and memory."""
    views: Literal["auto", "cpu", "device"] = "auto"
    """Where crops are cut and resized. `cpu`: by the workers, with Pillow. `device`: as one batch
    on the device of the networks. `auto`: on the device if that is a GPU, otherwise by the workers
    (docs/views.md)."""
    checkpoint_every: int = Field(500, ge=1)
    """Steps between checkpoints. With a higher value fewer are written, and a machine that fails
    loses more steps."""
    log_every: int = Field(10, ge=1)
    """Steps between rows of metrics.csv. A higher value makes fewer rows. A training on several
    processes can be stopped at these steps only."""
    crops: Crops = Crops()
    photometric: Photometric = Photometric()
    loss: Loss = Loss()
    teacher: Teacher = Teacher()
    head: Head = Head()
    optimiser: Optimiser = Optimiser()
    watch: Watch = Watch()

    def identity(self) -> "Train":
        """Return the settings without what changes speed, memory and reporting only."""
        costs: dict[str, Any] = {"workers": 0, "checkpoint_every": 1, "log_every": 1}
        costs |= {"accumulate": 1, "compile": False, "watch": Watch()}
        return self.model_copy(update=costs)

    @model_validator(mode="after")
    def _references_fit_parts(self) -> "Train":
        if self.accumulate > 1 and self.loss.references.gradient:
            raise ValueError(
                "accumulate: gradient into references (loss.references.gradient) needs the batch "
                "in one part; set accumulate to 1"
            )
        return self


PRESETS: dict[str, dict[str, Any]] = {
    "paper": {},
    "released": {
        "crops": {"global_size": 518, "minimum_global_overlap": 0.02},
        "loss": {"references": {"source": "queue"}, "order": "similarity"},
        "optimiser": {"backbone_learning_rate": 1e-5},
    },
    "text": {
        "drop_path": 0.0,
        "loss": {
            "references": {"source": "student", "per_pair": False, "shared": True},
            "two_way": True,
        },
        "teacher": {"head": "copied", "moves": "after_step"},
        "head": {"normalised": False},
        "optimiser": {"name": "adam"},
    },
    "fast": {
        "drop_path": 0.0,
        "head": {"layers": 1, "start": "principal"},
        "optimiser": {"backbone_learning_rate": 2e-5},
    },
}
"""Sparse differences from the defaults; each is a row of docs/deviations.md."""


def with_preset(values: dict[str, Any], where: str) -> dict[str, Any]:
    """Return training settings laid over the preset that they name (`paper` without one).

    Raises UserError for a preset that does not exist.
    """
    preset = values.get("preset", "paper")
    if not isinstance(preset, str) or preset not in PRESETS:
        raise UserError(f"{where}: unknown preset '{preset}'{nearest(str(preset), PRESETS)}")
    return merged(PRESETS[preset], values)
