"""Settings of in-context segmentation. Defaults are the paper's; source: appendix A.2."""

from typing import ClassVar, Literal

from pydantic import Field

from neco.config.base import Count, Range, Seeds, Settings
from neco.config.protocol import Gridded, Preset
from neco.normalisation import Colours


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
