"""Settings of NeCo post-training.

The defaults are the preset `paper`: the numbers that the paper states (section 3, appendix A.1),
and the released code's behaviour where the paper is silent or its letter does not train.
"""

from typing import Any, Literal

from pydantic import Field, model_validator

from neco.config.base import Settings, merged, nearest
from neco.errors import UserError


class Crops(Settings):
    """Multi-crop: which regions of an image become views."""

    global_count: int = Field(2, ge=2)
    """Large crops; the teacher sees only these."""
    local_count: int = Field(4, ge=0)
    """Small crops, seen by the student."""
    global_size: int = Field(224, ge=8)
    """Side of a global crop in pixels."""
    local_size: int = Field(98, ge=8)
    """Side of a local crop in pixels: 98 for patch 14, 96 for patch 16."""
    global_scale: tuple[float, float] = (0.25, 1.0)
    """Range of a global crop's share of the image's area."""
    local_scale: tuple[float, float] = (0.05, 0.25)
    """Range of a local crop's share of the image's area."""
    aspect: tuple[float, float] = (0.75, 1.3333333333333333)
    """Range of a crop's width over height.

    Area and aspect are drawn together until the box fits into the image, ten times at most; then
    the crop is the largest centred box whose aspect is in this range."""
    minimum_overlap: float = Field(0.01, ge=0.0, lt=1.0)
    """Every pair of a global and a local crop meets in at least this share of the image."""
    minimum_global_overlap: float = Field(0.01, ge=0.0, lt=1.0)
    """The same for every pair of global crops (reference 2 %)."""
    attempts: int = Field(200, ge=1)
    """Boxes drawn for one crop until it meets the global crops before it (the reference draws
    without end). When none does, the last boxes of all crops are centred on the image, where they
    meet; more attempts make that rarer."""


class Photometric(Settings):
    """Colour changes of each view, as in Leopart."""

    jitter_probability: float = Field(0.8, ge=0.0, le=1.0)
    brightness: float = 0.8
    contrast: float = 0.8
    saturation: float = 0.8
    hue: float = Field(0.2, ge=0.0, le=0.5)
    grayscale_probability: float = Field(0.2, ge=0.0, le=1.0)
    blur_probability: float = Field(0.5, ge=0.0, le=1.0)
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    """Standard deviation of the Gaussian blur in pixels."""


class References(Settings):
    """The patches that every aligned patch is compared with."""

    source: Literal["teacher", "queue", "student"] = "teacher"
    """Whose patches serve: the teacher's aligned ones of the batch, the teacher's tokens of past
    batches (`queue`), or the student's tokens of the batch. With the student's, student and
    references can agree on nothing and the loss falls all the same: docs/recipe.md."""
    count: int = Field(49, ge=2, le=1024)
    """References of one aligned patch, the width of the sort. More of them ask for a finer order;
    the sort's cost grows faster than their number."""
    scope: Literal["batch", "inter", "intra"] = "batch"
    """From the whole batch, from other images only, or from the same image (Table 5c)."""
    per_pair: bool = True
    """Draw anew for every pair of crops: the teacher's from that pair's own patches, the queue's
    from its global crop's queue. False draws once for all pairs, from all of them."""
    shared: bool = False
    """One draw for all images of the batch; False deals out other patches to every image.

    Only the scope `batch` can be shared."""
    gather: bool = True
    """Draw from the whole batch when several processes share it; False draws from the own share.

    Gathered, any number of processes trains the same."""
    gradient: bool = False
    """Whether gradient also flows into references that come from the student."""
    queue_length: int = Field(8192, ge=2)
    """Tokens that the queue of a global crop holds. A longer queue holds older teachers' tokens."""
    queue_per_image: int = Field(10, ge=1)
    """Tokens that one image adds to each queue in a step. More of them renew the queue sooner."""


class Sorting(Settings):
    """The relaxed sorting network."""

    network: Literal["bitonic", "odd_even"] = "bitonic"
    relaxation: Literal["cauchy", "logistic", "logistic_phi"] = "cauchy"
    """`cauchy` is the text's arctan; the appendix names `logistic_phi`."""
    phi_lambda: float = Field(0.25, ge=0.0, le=1.0)
    """Interpolation strength of `logistic_phi`."""
    student_steepness: float = Field(100.0, gt=0.0)
    teacher_steepness: float = Field(100.0, gt=0.0)
    log_floor: float = Field(1e-30, gt=0.0)
    """The logarithm's argument is held above this, so that 0 log 0 is 0."""
    implementation: Literal["auto", "reference", "torch", "compiled", "triton"] = "auto"


class Loss(Settings):
    """What is aligned, compared and sorted."""

    aligned_size: int = Field(7, ge=1)
    """RoIAlign output: side x side patches per crop pair."""
    references: References = References()
    sorting: Sorting = Sorting()
    two_way: bool = False
    """False: CE(Qt, Qs), which the released code computes. True adds CE(Qs, Qt), as the paper
    writes; gradient then also flows into what the student's matrix is compared with."""
    order: Literal["distance", "similarity"] = "distance"
    """What ascends: 1 - cosine (paper) or the cosine itself (released code)."""
    nearest: int | None = Field(None, ge=1)
    """Only the K nearest references enter (Table 9a); None takes all."""
    patches: Literal["both", "foreground", "background"] = "both"
    """Which patches enter, by the teacher's attention (Table 5a)."""
    foreground_mass: float = Field(0.6, gt=0.0, lt=1.0)
    """Share of attention mass that counts as foreground."""


class Teacher(Settings):
    """The target network."""

    kind: Literal["ema", "student"] = "ema"
    """`student` compares the student with itself (Table 5b)."""
    head: Literal["apart", "copied"] = "apart"
    """How the teacher's head starts: with random weights of its own (released code), or as a copy
    of the student's."""
    momentum: float = Field(0.9995, ge=0.0, le=1.0)
    """Start of the moving average's cosine schedule. A higher value makes the teacher slower."""
    final_momentum: float = Field(1.0, ge=0.0, le=1.0)
    """End of the schedule; at 1 the teacher stands still."""
    moves: Literal["before_step", "after_step"] = "before_step"
    """Whether the teacher takes in the student before the optimiser changes it (released code), or
    after: one step's difference."""


class Head(Settings):
    """The projection head: linear layers with GELU between them."""

    layers: int = Field(3, ge=0)
    """0 compares the backbone's own tokens. A deeper head is further from them at its start, and
    the backbone has to be trained for longer before the head's order of patches means anything."""
    hidden: int = Field(2048, ge=1)
    """Width of the layers between; a residual head's too."""
    output: int = Field(256, ge=1)
    """Numbers per token that are compared; a residual head returns as many as the backbone has."""
    start: Literal["random", "uniform", "orthogonal", "principal", "residual"] = "random"
    """What the first weights are. `random`: normal with deviation 0.02 and no bias (released code
    since January 2025); `uniform`: PyTorch's own (before that). These order patches at random. The
    others keep the order of the tokens: `orthogonal`, a random rotation (1 layer); `principal`, the
    first batch's principal components (1 layer); `residual`, the tokens plus layers that start at
    zero."""
    normalised: bool = True
    """Bring every token that the head returns to length 1 before RoIAlign averages them."""

    @model_validator(mode="after")
    def _one_linear_layer(self) -> "Head":
        if self.start in ("orthogonal", "principal") and self.layers != 1:
            raise ValueError(f"head: start {self.start} is one linear layer; set layers to 1")
        if self.start == "residual" and self.layers < 2:
            raise ValueError("head: start residual needs layers of 2 or more")
        return self


class Optimiser(Settings):
    """AdamW with cosine schedules per step."""

    name: Literal["adamw", "adam"] = "adamw"
    """`adam` adds the weight decay to the gradient, as PyTorch's Adam does: the decay is then
    divided by the gradient's size and takes the weights to zero (docs/recipe.md). The paper's text
    says Adam; its released code has AdamW alone."""
    head_learning_rate: float = Field(1e-4, ge=0.0)
    backbone_learning_rate: float = Field(1e-6, ge=0.0)
    """The paper's on DINOv2; it says 1e-5 for other backbones, the released code 1e-5 for all."""
    final_learning_rate: float = Field(0.0, ge=0.0)
    """Where both learning rates end."""
    warmup_steps: int = Field(0, ge=0)
    """Steps over which both learning rates rise from zero."""
    head_alone: int = Field(0, ge=0)
    """Steps in which the head learns and the backbone does not, at the start."""
    weight_decay: float = Field(0.04, ge=0.0)
    """Start of the decay's cosine schedule; norms, biases and other vectors are never decayed."""
    final_weight_decay: float = Field(0.5, ge=0.0)
    gradient_clip: float | None = Field(None, gt=0.0)
    """Largest global gradient norm, applied after backward; None does not clip."""


class Watch(Settings):
    """Bounds of a healthy training. Below one of them the training warns in one line; with
    `--strict` it saves a checkpoint and stops. docs/recipe.md shows what they were chosen from."""

    information: float = Field(0.1, ge=0.0, le=1.0)
    """Least share of log R that the targets' entropy stays below its largest value. At 0 the
    targets say nothing about the order of the references."""
    head_rank: float = Field(2.0, ge=0.0)
    """Least effective rank of the student's aligned features; at 1 all patches point one way."""
    backbone_rank: float = Field(3.0, ge=0.0)
    """Least effective rank of the backbone's tokens."""
    strict: bool = False
    """Stop at the first warning."""


class Train(Settings):
    """One NeCo training."""

    preset: Literal["paper", "released", "text", "fast"] = "paper"
    """Named starting point; every key that it sets can still be set alone. `paper`: the paper's
    numbers with the released code's behaviour, the run that reproduces the paper. `released`: the
    published ViT-S/14 configuration to the letter. `text`: the paper's letter, kept to show what it
    does. `fast`: for your own images and hours instead of days, never the paper's.
    docs/recipe.md"""
    dataset: str = "coco"
    split: str = "train"
    epochs: int = Field(25, ge=1)
    steps: int | None = Field(None, ge=1)
    """Stop after this many steps and end all schedules there; None takes `epochs`."""
    batch_size: int = Field(64, ge=1)
    """Images of a step, over all processes."""
    accumulate: int = Field(1, ge=1)
    """Parts that a process takes its images in, one after the other: less memory, same gradient.

    References from the student then cost one more forward pass of the global crops."""
    seed: int = 0
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "32-true"
    """`auto` is bf16-mixed where the hardware has bfloat16 arithmetic, else 32-true."""
    compile: bool = False
    """Compile the blocks of student and teacher (torch.compile) before the first step."""
    drop_path: float = Field(0.1, ge=0.0, lt=1.0)
    """Stochastic depth of the student; the teacher has none. A higher value drops more blocks."""
    trainable_blocks: int | None = Field(None, ge=0)
    """Train only the last blocks (and the final norm); None trains the whole backbone."""
    workers: int = Field(8, ge=0)
    """Processes that read and decode images."""
    views: Literal["auto", "cpu", "device"] = "auto"
    """Where crops are cut and resized: `cpu` by the workers, with PIL; `device` in one batch where
    the networks are; `auto` on the device where that is a GPU. docs/views.md"""
    checkpoint_every: int = Field(500, ge=1)
    """Steps between checkpoints."""
    log_every: int = Field(10, ge=1)
    """Steps between rows of metrics.csv; several processes also agree there whether to stop."""
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
