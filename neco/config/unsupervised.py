"""Settings of fully unsupervised segmentation. Source: paper, appendix A.2; Leopart's code."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from neco.config.base import Count, Seed, Seeds, Shares, Sweep, in_order
from neco.config.protocol import Gridded, Preset


class Unsupervised(Gridded):
    """Fully unsupervised segmentation: foreground by clusters of patches (CBFE), objects by
    communities of clusters (CD; paper, appendix A.2)."""

    presets: ClassVar[dict[str, Preset]] = {
        "paper": Preset(),
        "released": Preset(
            {
                "resampling": "floor",
                "unit_length": False,
                "attention_mass": 0.65,
                "neighbourhood": "released",
                "reported": "mean",
                "trials": 300,
            }
        ),
    }

    preset: Literal["paper", "released"] = "paper"
    """Named starting point. `paper`: the paper's text and, where the text refers to Leopart's code,
    what that code is meant to do. `released`: that code to the letter."""
    image_size: int = Field(448, ge=8)
    """Width and height of the input images in pixels, rounded down to a multiple of the patch size.
    Larger images have more and finer patches and take longer (paper: 448)."""
    mask_size: int = Field(100, ge=1)
    """Width and height, in cells, at which segments and masks are compared. A higher value counts
    finer edges (released code: 100)."""
    train_split: str = Field("train", pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
    """Name of the split that is clustered together with the held-out one. Its labels choose
    `foreground_threshold` and are what a search (`trials`) looks at (paper: VOC's `train`, not
    `trainaug`)."""
    components: int = Field(50, ge=1)
    """Dimensions that PCA leaves of a token, after each dimension was brought to mean 0 and
    deviation 1. More of them keep more detail and take longer (released code: 50)."""
    iterations: int = Field(100, ge=1)
    """Iterations of each k-means. More of them settle the clusters better and take longer."""
    redos: int = Field(5, ge=1)
    """Runs of each k-means from other starts, of which the best is kept. More of them make the
    result depend less on chance and take longer."""
    enlarged: bool = True
    """`true` enlarges every map of patches to `mask_size` before clusters and neighbours are
    counted, as the released code does. `false` counts patches as they are."""
    clustering_seed: Seed | None = 0
    """Seed of the k-means that find foreground and clusters. With a number, `seeds` vary the
    communities alone (released code); null uses each of `seeds` for the k-means too."""
    foreground_clusters: int = Field(200, ge=2)
    """Number of clusters (K of the spherical k-means) that are each foreground or background as a
    whole. More of them follow objects more closely (released code: 200)."""
    unit_length: bool = True
    """`true` scales tokens to length 1 for the k-means of the foreground. `false` lets long tokens
    weigh more (released code)."""
    attention_mass: float = Field(0.7, gt=0.0, lt=1.0)
    """Share of the class token's smoothed attention that marks an image's foreground. A higher
    value marks more patches (paper: 0.7; released code: 0.65)."""
    foreground_threshold: float | None = Field(None, ge=0.0, le=1.0)
    """Least share of a cluster's cells that attention has to mark for the cluster to be foreground.
    A higher value leaves less foreground; null chooses it on the training images."""
    threshold_by: Literal["labels", "attention"] = "labels"
    """What a threshold is chosen by, on the training images. `labels`: the foreground that agrees
    best with the labelled objects (released code). `attention`: the foreground that agrees best
    with the marks of attention, which looks at no label."""
    threshold_cuts: Shares = (0.55, 0.75)
    """Smallest and largest share of the clusters that may be background when `labels` choose the
    threshold. Higher values leave less foreground (released code: 0.55 to 0.75)."""
    threshold_step: float = Field(0.05, gt=0.0, lt=1.0)
    """Step to whose multiples a chosen threshold is rounded. A higher value is coarser (released
    code: 0.05)."""
    foreground_seeds: Seeds = [0, 1, 2, 3, 4]
    """Seeds of the k-means that divides the foreground into one cluster less than there are
    classes; each is a result (paper, Table 6, +CBFE)."""
    clusters: int = Field(189, ge=2)
    """Number of clusters (K) that the foreground is divided into before communities join them. More
    of them are smaller parts of objects (paper: k_community 189)."""
    distances: tuple[Count, ...] = Field((1, 2), min_length=1)
    """Distances in cells at which two cells count as neighbours. Larger distances join parts that
    lie further apart (released code: 1 and 2)."""
    neighbourhood: Literal["square", "released"] = "square"
    """Which cells at a distance are neighbours. `square`: the four straight and the four diagonal
    ones. `released`: the cells that the released code's angles round to, of which some count twice
    at distance 2."""
    background_neighbour: bool = True
    """`true` counts background as a neighbour and lets it join a community like a cluster (released
    code); `false` leaves it out of the count."""
    weight_threshold: float = Field(0.07, ge=0.0, le=1.0)
    """Least share of neighbours that two clusters must be of each other, in both directions, to be
    linked. A higher value leaves fewer links, and more clusters stay background (paper: 0.07)."""
    markov_time: float = Field(1.2, gt=0.0)
    """Markov time of Infomap. A higher value joins more clusters into larger communities (paper:
    1.2)."""
    preferred_modules: int = Field(20, ge=1)
    """Number of communities that Infomap's solutions are drawn towards. A higher value makes more
    and smaller communities likelier (released code: 20)."""
    seeds: Seeds = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """Seeds of Infomap, each of which finds communities of its own (paper: 10; see
    `clustering_seed`)."""
    reported: Literal["best", "mean"] = "best"
    """Which mIoU is the result. `best`: that of the seed with the highest held-out mIoU (paper),
    which is optimistic. `mean`: the mean over seeds (released code). The metrics file has both."""
    trials: int = Field(0, ge=0)
    """Sets of K, link threshold and Markov time that a search tries on the training labels first.
    More of them take longer; 0 takes the values above, the paper's best (released code: 300)."""
    search_clusters: Annotated[tuple[Count, Count, Count], AfterValidator(in_order)] = (69, 249, 10)
    """First value, last value and step of K in the search (paper: 69 to 249; Leopart starts at
    99)."""
    search_weight: Sweep = (0.01, 0.1, 0.01)
    """First value, last value and step of the link threshold in the search (paper: 0.01 to 0.1)."""
    search_markov_time: Sweep = (0.1, 2.0, 0.1)
    """First value, last value and step of the Markov time in the search (paper: 0.1 to 2)."""
    search_seed: Seed = 1000
    """Seed of the search, which draws the sets that it tries."""
