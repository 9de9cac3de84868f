"""Settings of the evaluations. Defaults are the paper's; source: appendix A.2."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from neco.config.base import Settings
from neco.config.protocol import Evaluated, Gridded, Preset
from neco.config.segmenter import Segmenter
from neco.config.unsupervised import Unsupervised
from neco.normalisation import Colours

__all__ = [
    "BankAugmentation",
    "Evaluated",
    "Extraction",
    "InContext",
    "Ivf",
    "Linear",
    "Overcluster",
    "Scann",
    "Segmenter",
    "Unsupervised",
]

Precision = Literal["bf16-on-gpu", "auto", "32-true", "bf16-mixed"]


class Extraction(Settings):
    """How frozen features are read from a backbone."""

    batch_size: int = Field(16, ge=1)
    workers: int = Field(2, ge=0)
    dtype: Literal["float16", "float32"] = "float16"
    """Storage of features on disk."""
    precision: Precision = "bf16-on-gpu"
    """Arithmetic of the backbone: bfloat16 on a GPU and float32 on a CPU; `auto` takes bfloat16 on
    every device that multiplies it fast. Tokens differ by a cosine of 0.00002."""
    block: int | None = None
    """Block whose tokens are the features: 0 is the first, -1 the last, -3 the third from the end;
    stages in a hierarchical network. None takes the last. Several models' best dense features lie
    before their last block. Class attention is the last block's in any case."""


class Scann(Settings):
    """ScaNN as the paper's open implementation configures it (needs the `scann` package)."""

    leaves: int = Field(512, ge=1)
    leaves_to_search: int = Field(32, ge=1)
    anisotropic_threshold: float = 0.2
    dimensions_per_block: int = Field(4, ge=1)
    reorder: int = Field(120, ge=1)
    """Candidates scored again exactly."""


class Ivf(Settings):
    """faiss inverted lists: approximate, no further package."""

    lists: int = Field(512, ge=1)
    lists_to_search: int = Field(32, ge=1)
    iterations: int = Field(10, ge=1)
    """Of the k-means that places the lists."""


class BankAugmentation(Settings):
    """Changed training images in the memory bank, as the open implementation makes them."""

    epochs: int = Field(0, ge=0)
    """Passes over randomly cropped and jittered images, through the backbone; 0: the images as
    they are, once, from cached features."""
    crop_scale: tuple[float, float] = (0.5, 2.0)
    """Area range of the random resized crop; areas past the image's fall back to all of it."""
    jitter: float = Field(0.1, ge=0.0, le=0.5)
    """Strength of brightness, contrast, saturation and hue."""
    jitter_probability: float = Field(0.5, ge=0.0, le=1.0)
    """Of each of the four, on its own."""


HUMMINGBIRD = Preset(
    {
        "image_size": 512,
        "colours": "hummingbird",
        "resampling": "floor",
        "subsets": "random",
        "mask_size": "input",
        "matching": "hungarian",
        "augmentation": {"epochs": 2},
    },
    on={"ade20k": {"ignored_class": "zero"}},
)


class InContext(Gridded):
    """Dense nearest-neighbour retrieval (Hummingbird)."""

    presets: ClassVar[dict[str, Preset]] = {
        "paper": Preset(),
        "hummingbird": HUMMINGBIRD,
        "released": HUMMINGBIRD,
    }

    preset: Literal["paper", "hummingbird", "released"] = "paper"
    """Named starting point. `hummingbird`, of which `released` is another name: as the open
    implementation prints its numbers, but for its approximate search (see `search`)."""
    image_size: int = Field(518, ge=8)
    """Input side in pixels, rounded down to a multiple of the patch size: 512 is 504 for patch 14,
    as the open implementation has it."""
    colours: Colours = "backbone"
    """Mean and deviation that images are normalised with: the backbone's own, or the open
    implementation's, which divides blue by 0.255 instead of 0.225."""
    memory_size: int = Field(10_240_000, ge=1)
    """Patches in the memory bank, shared equally by the training images."""
    neighbours: int = Field(30, ge=1)
    temperature: float = Field(0.02, gt=0.0)
    """Of the softmax over the neighbours' cosines."""
    fractions: list[int] = [1, 8, 64, 128]
    """Denominators: 8 keeps 1/8 of the training images."""
    subsets: Literal["balanced", "random"] = "balanced"
    """How a fraction's images are drawn: every class in about equally many (paper), or any, rounded
    down (open implementation)."""
    seeds: list[int] = [0, 1, 2, 3, 4]
    """One subset of the training images per seed; the whole set is evaluated with the first."""
    mask_size: Literal["full", "input"] = "full"
    """Masks that predictions are compared with: the image's own size, or the input size."""
    matching: Literal["none", "hungarian"] = "none"
    """Whether predicted classes are matched to classes once more before the score, although they
    are classes already: the open implementation does, which can only raise its number."""
    search: Literal["exact", "faiss-flat", "faiss-gpu", "faiss-ivf", "scann"] = "exact"
    """Nearest-neighbour backend; `exact` runs on a GPU where there is one."""
    storage: Literal["float16", "int8"] = "float16"
    """Keys that the exact search's first pass reads: as extracted, or in 8 bits (half the memory
    where the bank is `mapped` or the search on a GPU). Neighbours are the same."""
    mapped: bool = False
    """Keep the bank's tokens in a temporary file (in TMPDIR) instead of in memory."""
    augmentation: BankAugmentation = BankAugmentation()
    recall_sample: int = Field(2000, ge=1)
    """Queries on which an approximate backend's recall is measured against exact search."""
    scann: Scann = Scann()
    ivf: Ivf = Ivf()


class Overcluster(Gridded):
    """k-means on patch tokens, clusters matched to classes."""

    presets: ClassVar[dict[str, Preset]] = {
        "paper": Preset(),
        "released": Preset(
            {"resampling": "floor"},
            on={"pascal-voc": {"whole_batches": 32}, "ade20k": {"ignored_class": "zero"}},
        ),
    }

    preset: Literal["paper", "released"] = "paper"
    """Named starting point; `released` is the authors' code to the letter."""
    image_size: int = Field(448, ge=8)
    mask_size: int = Field(100, ge=1)
    """Side at which clusters and masks are compared, both by nearest neighbour."""
    clusters: list[int | Literal["classes"]] = ["classes", 300, 500]
    """K; `classes` is the dataset's class count, matched one to one (Hungarian on IoU)."""
    components: int = Field(50, ge=1)
    """PCA dimensions after per-dimension standardisation."""
    iterations: int = Field(100, ge=1)
    redos: int = Field(5, ge=1)
    points_per_cluster: int | None = Field(256, ge=1)
    """Patches per cluster that k-means is trained on (faiss's default, as in the released code);
    null trains on all. All patches are assigned either way."""
    whole_batches: int | None = Field(None, ge=1)
    """Only as many held-out images as fill whole batches of this size are clustered, the first of
    the split: the released code drops VOC's last, incomplete batch (of 32). null: all images."""
    seeds: list[int] = [0, 1, 2, 3, 4]


class Linear(Gridded):
    """A 1x1 convolution on frozen patch tokens."""

    presets: ClassVar[dict[str, Preset]] = {
        "paper": Preset(),
        "released": Preset(
            {
                "resampling": "floor",
                "epochs": 25,
                "decay_epochs": 20,
                "drop_last": True,
                "reported": "best",
            },
            on={
                "pascal-voc": {"shuffle": False, "whole_batches": 128},
                "ade20k": {"shuffle": False, "drop_last": False, "ignored_class": "zero"},
            },
        ),
    }

    preset: Literal["paper", "released"] = "paper"
    """Named starting point; `released` is the authors' code to the letter."""
    image_size: int = Field(448, ge=8)
    mask_size: int = Field(100, ge=1)
    """Side of the logits and masks that the loss and the reported mIoU use."""
    full_resolution: bool = True
    """Also report mIoU on masks at the image's own size."""
    epochs: int = Field(20, ge=1)
    batch_size: int = Field(128, ge=1)
    drop_last: bool = False
    """An epoch's last batch is left out where it is not full (released code, VOC and COCO)."""
    shuffle: bool = True
    """Training images come in a new order every epoch, or always in the index's (released code,
    VOC and ADE20K)."""
    learning_rate: float = Field(0.01, gt=0.0)
    momentum: float = Field(0.9, ge=0.0, lt=1.0)
    weight_decay: float = Field(1e-4, ge=0.0)
    decay_epochs: int | None = Field(None, ge=1)
    """Epochs between steps of the learning rate, fewer than `epochs`; null keeps it as it is. The
    paper's 20 epochs have no step: its code's comes after 20, and released later with 25 epochs."""
    decay_factor: float = Field(0.1, gt=0.0, le=1.0)
    reported: Literal["last", "best"] = "last"
    """Whose mIoU is the result: the last epoch's, or that of the epoch with the highest held-out
    mIoU, as the released code keeps its heads. `best` is chosen by the labels that it is scored
    on, so it is optimistic. Both are in the metrics file."""
    crop_scale: tuple[float, float] = (0.8, 1.0)
    """Area range of the random resized crop."""
    augment: bool = True
    """Augmented images through the backbone in every epoch (the protocol), or the fast path:
    cached tokens of the images as they are."""
    flip_probability: float = Field(0.5, ge=0.0, le=1.0)
    train_fraction: float = Field(1.0, gt=0.0, le=1.0)
    """Random share of the training images (0.1 on COCO)."""
    whole_batches: int | None = Field(None, ge=1)
    """Only as many held-out images as fill whole batches of this size are scored, the first of the
    split: the released code drops VOC's last, incomplete batch (of 128). null: all images."""
    seeds: list[int] = [0]

    @model_validator(mode="after")
    def _decay_acts(self) -> "Linear":
        if self.decay_epochs is not None and self.decay_epochs >= self.epochs:
            raise ValueError(
                f"decay_epochs: a step after {self.decay_epochs} of {self.epochs} epochs would "
                "never act; set decay_epochs lower, or to null"
            )
        return self
