"""Settings of the evaluations. Defaults are the paper's; source: appendix A.2."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from neco.config.base import Count, Range, Seeds, Settings, Shares
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
    """Images that go through the backbone at a time. A higher value needs more memory and can be
    faster on a GPU; the features stay the same."""
    workers: int = Field(2, ge=0)
    """Processes that read and decode images. More of them help if the backbone waits for images,
    and need more processor cores and memory."""
    dtype: Literal["float16", "float32"] = "float16"
    """How features are stored on disk and in the memory bank. `float32` takes twice the space of
    `float16`."""
    precision: Precision = "bf16-on-gpu"
    """Arithmetic of the backbone. `bf16-on-gpu`: bfloat16 on a GPU, float32 on a CPU. `auto`:
    bfloat16 on every device that multiplies it fast. `32-true`: float32. `bf16-mixed`: bfloat16 in
    any case. Tokens in bfloat16 and in float32 have a cosine of 0.99998 with each other."""
    block: int | None = None
    """Block whose tokens are the features, or stage of a pyramid: 0 is the first, -1 the last, -3
    the third from the end; null takes the last (paper). Several networks have their best dense
    features before the last block. The class token's attention is always that of the last block."""


class Scann(Settings):
    """ScaNN, with the settings of open-hummingbird-eval. It needs the package `scann`."""

    leaves: int = Field(512, ge=1)
    """Parts into which ScaNN divides the bank. More parts make each one smaller and take longer to
    build (open-hummingbird-eval: 512)."""
    leaves_to_search: int = Field(32, ge=1)
    """Parts that are searched for each query. More of them find more of the true neighbours and
    take longer (open-hummingbird-eval: 32)."""
    anisotropic_threshold: float = 0.2
    """Threshold of ScaNN's anisotropic coding. A higher value gives errors along a token more
    weight than errors across it (open-hummingbird-eval: 0.2)."""
    dimensions_per_block: int = Field(4, ge=1)
    """Dimensions of a token that are coded together. A higher value makes the codes smaller and
    coarser (open-hummingbird-eval: 4)."""
    reorder: int = Field(120, ge=1)
    """Candidates of each query whose cosines are computed exactly at the end. More of them find
    more of the true neighbours and take longer (open-hummingbird-eval: 120)."""


class Ivf(Settings):
    """Inverted lists of faiss: an approximate search that needs no other package."""

    lists: int = Field(512, ge=1)
    """Lists into which k-means divides the bank. More lists make each one shorter and take longer
    to build."""
    lists_to_search: int = Field(32, ge=1)
    """Lists that are searched for each query. More of them find more of the true neighbours and
    take longer."""
    iterations: int = Field(10, ge=1)
    """Iterations of the k-means that divides the bank. More of them make better lists and take
    longer to build."""


class BankAugmentation(Settings):
    """Cropping and recolouring of the memory bank's images, as in open-hummingbird-eval."""

    epochs: int = Field(0, ge=0)
    """How often the training images are cropped and recoloured anew and sent through the backbone.
    A higher value gives the bank more different patches and takes longer; 0 takes the cached
    features of the images as they are (open-hummingbird-eval: 2)."""
    crop_scale: Range = (0.5, 2.0)
    """Smallest and largest area of a random crop as a share of the image's. Higher values show more
    of the image. If a share above 1 does not fit, the whole image is taken, cut to an aspect of 3/4
    to 4/3."""
    jitter: float = Field(0.1, ge=0.0, le=0.5)
    """Largest relative change of brightness, contrast and saturation, and largest turn of the hue
    as a share of the colour circle. A higher value changes images more."""
    jitter_probability: float = Field(0.5, ge=0.0, le=1.0)
    """Probability of each of the four changes, each drawn by itself. A higher value changes more
    images."""


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
    """In-context segmentation: a patch takes the labels of its nearest training patches
    (Hummingbird's protocol; paper, appendix A.2). The paper uses the code of
    open-hummingbird-eval."""

    presets: ClassVar[dict[str, Preset]] = {
        "paper": Preset(),
        "hummingbird": HUMMINGBIRD,
        "released": HUMMINGBIRD,
    }

    preset: Literal["paper", "hummingbird", "released"] = "paper"
    """Named starting point. `paper`: the paper's text. `hummingbird` and `released`, which are the
    same: open-hummingbird-eval, except that the search stays exact (see `search`)."""
    image_size: int = Field(518, ge=8)
    """Width and height of the input images in pixels, rounded down to a multiple of the patch size:
    512 becomes 504 for patch 14. Larger images have more and finer patches and take longer (paper:
    518; ablations: 448)."""
    colours: Colours = "backbone"
    """Mean and standard deviation by which images are normalised. `backbone`: the backbone's own.
    `hummingbird`: those of open-hummingbird-eval, which divides blue by 0.255 and not 0.225.
    `cribo`: 127.5 of 255 for both."""
    memory_size: int = Field(10_240_000, ge=1)
    """Patches in the memory bank, the same number from each training image. A higher value gives
    more examples and takes more memory and time (paper: 10,240,000)."""
    neighbours: int = Field(30, ge=1)
    """Number of nearest patches that vote for a patch's label. More of them make labels smoother
    (paper: 30)."""
    temperature: float = Field(0.02, gt=0.0)
    """Temperature of the softmax that turns the neighbours' cosines into the weights of their
    votes. A higher value makes the votes more equal (paper: 0.02)."""
    fractions: list[Count] = Field([1, 8, 64, 128], min_length=1)
    """Shares of the training images that fill the bank, as denominators: 1 takes all of them, 8 one
    eighth. A higher value takes fewer. Each is a result (paper: 1, 8, 64 and 128)."""
    subsets: Literal["balanced", "random"] = "balanced"
    """How the images of a share are drawn. `balanced`: so that all classes appear in about equally
    many images (paper). `random`: any images, their number rounded down (open-hummingbird-eval)."""
    seeds: Seeds = [0, 1, 2, 3, 4]
    """Seeds that draw the images of each share. Tables show the mean over seeds. All images
    together are evaluated with the first seed only (paper: five seeds)."""
    mask_size: Literal["full", "input"] = "full"
    """Size at which predictions are compared with masks. `full`: the image's own. `input`: the size
    of the input images (open-hummingbird-eval)."""
    matching: Literal["none", "hungarian"] = "none"
    """Whether predicted classes are renamed before the score. `none`: they are not. `hungarian`:
    the best one-to-one renaming is applied, as in open-hummingbird-eval, which can only raise the
    score."""
    search: Literal["exact", "faiss-flat", "faiss-gpu", "faiss-ivf", "scann"] = "exact"
    """What finds the nearest neighbours. `exact` (this project's code, on a GPU if there is one),
    `faiss-flat` and `faiss-gpu` find the true ones. `faiss-ivf` and `scann` miss some, and their
    recall is measured. open-hummingbird-eval uses ScaNN."""
    storage: Literal["float16", "int8"] = "float16"
    """How the bank's tokens are stored for the first pass of the exact search. `int8` takes half
    the memory of `float16` if the bank is `mapped` or the search runs on a GPU. Both find the same
    neighbours."""
    mapped: bool = False
    """`true` keeps the bank's tokens in a temporary file (in the folder TMPDIR), for banks that are
    larger than the memory; a slow disk makes this slow. `false` keeps them in memory."""
    augmentation: BankAugmentation = BankAugmentation()
    recall_sample: int = Field(2000, ge=1)
    """Number of queries on which the recall of an approximate search is measured. More of them
    measure it more precisely and take longer."""
    scann: Scann = Scann()
    ivf: Ivf = Ivf()


class Overcluster(Gridded):
    """Overclustering: k-means on patch tokens, whose clusters are matched to classes (paper,
    appendix A.2)."""

    presets: ClassVar[dict[str, Preset]] = {
        "paper": Preset(),
        "released": Preset(
            {"resampling": "floor"},
            on={"pascal-voc": {"whole_batches": 32}, "ade20k": {"ignored_class": "zero"}},
        ),
    }

    preset: Literal["paper", "released"] = "paper"
    """Named starting point. `paper`: the paper's text. `released`: the authors' code to the
    letter."""
    image_size: int = Field(448, ge=8)
    """Width and height of the input images in pixels, rounded down to a multiple of the patch size.
    Larger images have more and finer patches and take longer (paper: 448)."""
    mask_size: int = Field(100, ge=1)
    """Width and height, in cells, at which clusters and masks are compared. A higher value counts
    finer edges (paper: 100)."""
    clusters: list[Count | Literal["classes"]] = Field(["classes", 300, 500], min_length=1)
    """Numbers of clusters K, each of which is a result. `classes` takes as many as the dataset has
    classes and matches them one to one; with a number every cluster goes to the class of its
    highest precision. More clusters fit objects more closely and score higher."""
    components: int = Field(50, ge=1)
    """Number of dimensions that PCA leaves of a token. Before PCA each dimension is scaled to mean
    0 and standard deviation 1. More of them keep more detail and take longer (released code:
    50)."""
    iterations: int = Field(100, ge=1)
    """Iterations of each k-means. More of them settle the clusters better and take longer (released
    code: 100)."""
    redos: int = Field(5, ge=1)
    """Number of runs of each k-means from different starts; the best one counts. More of them make
    the result depend less on chance and take longer (released code: 5)."""
    points_per_cluster: int | None = Field(256, ge=1)
    """Patches per cluster, drawn at random, from which k-means finds its centres; null takes all
    patches. A higher value takes longer. All patches are assigned in any case (faiss and thus the
    released code: 256)."""
    whole_batches: int | None = Field(None, ge=1)
    """Only the first images of the held-out split are clustered, as many as fill whole batches of
    this size. A higher value can leave out more images; null takes all. The released code leaves
    out the last, incomplete batch of 32 on VOC."""
    seeds: Seeds = [0, 1, 2, 3, 4]
    """Seeds of k-means, each of which is a result; tables show the mean over seeds (released code:
    0 to 4)."""


class Linear(Gridded):
    """Linear segmentation: a 1x1 convolution on frozen patch tokens (paper, appendix A.2)."""

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
    """Named starting point. `paper`: the paper's text. `released`: the authors' code to the
    letter."""
    image_size: int = Field(448, ge=8)
    """Width and height of the input images in pixels, rounded down to a multiple of the patch size.
    Larger images have more and finer patches and take longer (paper: 448)."""
    mask_size: int = Field(100, ge=1)
    """Width and height, in cells, at which predictions and masks are compared, in training and for
    the result. A higher value counts finer edges and gives lower scores (paper: 100)."""
    full_resolution: bool = True
    """`true` also reports the mIoU on masks of the image's own size, as a second result, and takes
    longer. `false` does not."""
    epochs: int = Field(20, ge=1)
    """How often every training image is used. More epochs take longer (paper: 20; released
    configurations: 25)."""
    batch_size: int = Field(128, ge=1)
    """Images in a step. A higher value needs more memory and makes fewer steps of an epoch
    (released configurations: 128)."""
    drop_last: bool = False
    """`true` leaves out the last batch of an epoch if it is not full (released code on VOC and
    COCO); `false` uses it too."""
    shuffle: bool = True
    """`true` takes the training images in a new order every epoch; `false` always in the order of
    the dataset's index (released code on VOC and ADE20K)."""
    learning_rate: float = Field(0.01, gt=0.0)
    """Learning rate of SGD at the start. A higher value changes the head faster (paper: 0.01)."""
    momentum: float = Field(0.9, ge=0.0, lt=1.0)
    """Momentum of SGD: the share of the last step that is added to the next one. A higher value
    makes steps smoother (released code: 0.9)."""
    weight_decay: float = Field(1e-4, ge=0.0)
    """Weight decay of SGD. A higher value keeps the head's weights smaller (released code:
    1e-4)."""
    decay_epochs: int | None = Field(None, ge=1)
    """Number of epochs after which the learning rate drops by `decay_factor`, again and again. A
    higher value drops it later; it must be less than `epochs`. null never drops it, as in the
    paper: its code drops after 20 epochs, which is when the training ends (released configurations:
    20 of 25 epochs)."""
    decay_factor: float = Field(0.1, gt=0.0, le=1.0)
    """Factor by which the learning rate is multiplied when it drops. A higher value makes the drop
    smaller (released code: 0.1)."""
    reported: Literal["last", "best"] = "last"
    """Which epoch's mIoU is the result. `last`: the last one's. `best`: the highest on the held-out
    images (released code), which is optimistic, because it looks at the labels that it is scored
    on. The metrics file has both."""
    crop_scale: Shares = (0.8, 1.0)
    """Smallest and largest share of the image's area that a training crop covers. Higher values
    show more of the image (paper: 0.8 to 1)."""
    augment: bool = True
    """`true` crops and flips the training images anew in every epoch and sends them through the
    backbone (the protocol). `false` uses cached tokens of the images as they are, which is much
    faster."""
    flip_probability: float = Field(0.5, ge=0.0, le=1.0)
    """Probability that a training image is mirrored, left to right. A higher value mirrors more of
    them (released code: 0.5)."""
    train_fraction: float = Field(1.0, gt=0.0, le=1.0)
    """Share of the training images that is used, drawn at random with each seed. A higher value
    takes longer (paper: 0.1 on COCO, otherwise 1)."""
    whole_batches: int | None = Field(None, ge=1)
    """Only the first images of the held-out split are scored, as many as fill whole batches of this
    size. A higher value can leave out more images; null takes all. The released code leaves out the
    last, incomplete batch of 128 on VOC."""
    seeds: Seeds = [0]
    """Seeds of the head's first weights and of the order and crops of images. Each is a result, and
    tables show the mean over seeds."""

    @model_validator(mode="after")
    def _decay_acts(self) -> "Linear":
        if self.decay_epochs is not None and self.decay_epochs >= self.epochs:
            raise ValueError(
                f"decay_epochs: a step after {self.decay_epochs} of {self.epochs} epochs would "
                "never act; set decay_epochs lower, or to null"
            )
        return self
