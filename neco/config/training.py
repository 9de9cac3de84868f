"""Settings of NeCo post-training. Defaults are the paper's; sources: section 3, appendix A.1."""

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
    """Range of a crop's width over height."""
    minimum_overlap: float = Field(0.01, ge=0.0, lt=1.0)
    """Every pair of a global and another crop meets in at least this share of the image."""
    minimum_global_overlap: float = Field(0.01, ge=0.0, lt=1.0)
    """The same for a pair of global crops (reference 2 %)."""
    attempts: int = Field(200, ge=1)
    """Draws to choose from; when none meets the rule, the last one is centred on the image."""


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

    source: Literal["student", "teacher", "queue"] = "student"
    """Whose features: the paper's `student`, the reference's `teacher`, or a teacher `queue`."""
    count: int = Field(49, ge=2, le=1024)
    """References per image, the width of the sort."""
    scope: Literal["batch", "inter", "intra"] = "batch"
    """From the whole batch, from other images only, or from the same image (Table 5c)."""
    shared: bool = True
    """One draw for all images (paper); False draws for every image (reference).

    Only the scope `batch` can be shared."""
    gather: bool = True
    """Draw from the whole batch when several processes share it; False draws from the own share.

    Gathered, any number of processes trains the same."""
    gradient: bool = False
    """Whether gradient also flows into references that come from the student."""
    queue_length: int = Field(8192, ge=2)
    """Features held when the source is `queue`."""
    queue_per_image: int = Field(10, ge=1)
    """Features that one image adds to the queue in a step."""


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
    two_way: bool = True
    """CE(Qt, Qs) + CE(Qs, Qt) as in the paper; the reference has the first term alone."""
    order: Literal["distance", "similarity"] = "distance"
    """What ascends: 1 - cosine (paper) or the cosine itself (reference)."""
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
    momentum: float = Field(0.9995, ge=0.0, le=1.0)
    """Start of the cosine schedule of the moving average."""
    final_momentum: float = Field(1.0, ge=0.0, le=1.0)


class Head(Settings):
    """The projection head: linear layers with GELU between them."""

    layers: int = Field(3, ge=0)
    """0 compares the backbone's own tokens; for short trainings, in which a head stays random."""
    hidden: int = Field(2048, ge=1)
    output: int = Field(256, ge=1)


class Optimiser(Settings):
    """Adam or AdamW with cosine schedules per step."""

    name: Literal["adam", "adamw"] = "adam"
    head_learning_rate: float = Field(1e-4, ge=0.0)
    backbone_learning_rate: float = Field(1e-5, ge=0.0)
    final_learning_rate: float = Field(0.0, ge=0.0)
    warmup_steps: int = Field(0, ge=0)
    weight_decay: float = Field(0.04, ge=0.0)
    final_weight_decay: float = Field(0.5, ge=0.0)
    gradient_clip: float | None = Field(None, gt=0.0)
    """Largest global gradient norm, applied after backward; None does not clip."""


class Train(Settings):
    """One NeCo training."""

    preset: Literal["paper", "reference"] = "paper"
    """Named starting point: every key below that the preset sets can still be overridden."""
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
    drop_path: float = Field(0.0, ge=0.0, lt=1.0)
    """Stochastic depth of the student; the teacher has none."""
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

    def identity(self) -> "Train":
        """Return the settings without what changes speed, memory and reporting only."""
        costs = {"workers": 0, "checkpoint_every": 1, "log_every": 1}
        costs |= {"accumulate": 1, "compile": False}
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
    "reference": {
        "drop_path": 0.1,
        "crops": {"minimum_global_overlap": 0.02},
        "loss": {
            "references": {"source": "teacher", "shared": False},
            "two_way": False,
            "order": "similarity",
        },
        "optimiser": {"name": "adamw"},
    },
}
"""Sparse differences from the defaults; each is a row of docs/deviations.md."""


def with_preset(asked: dict[str, Any], where: str) -> dict[str, Any]:
    """Return sparse settings laid over the preset that they name.

    Raises UserError, naming `where`, for a preset that does not exist.
    """
    preset = asked.get("preset", "paper")
    if not isinstance(preset, str) or preset not in PRESETS:
        raise UserError(f"{where}: unknown preset '{preset}'{nearest(str(preset), PRESETS)}")
    return merged(PRESETS[preset], asked)
