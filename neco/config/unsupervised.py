"""Settings of fully unsupervised segmentation. Source: paper, appendix A.2; Leopart's code."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from neco.config.base import Count, Seed, Seeds, Shares, Sweep, in_order
from neco.config.protocol import Gridded, Preset


class Unsupervised(Gridded):
    """Fully unsupervised segmentation. Clusters of patches are foreground or background (CBFE), and
    communities of clusters are objects (CD; paper, appendix A.2)."""

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
    """Named starting point. `paper`: the paper's text, and where the text refers to Leopart's code,
    what that code is meant to do. `released`: that code to the letter."""
    image_size: int = Field(448, ge=8)
    """Width and height of the input images in pixels, rounded down to a multiple of the patch size.
    Larger images have more and finer patches and take longer (paper: 448)."""
    mask_size: int = Field(100, ge=1)
    """Width and height, in cells, at which segments and masks are compared. A higher value counts
    finer edges (released code: 100)."""
    train_split: str = Field("train", pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
    """Name of the split that is clustered together with the held-out one. Its labels choose
    `foreground_threshold`, and a search (`trials`) looks at them (paper: VOC's `train`, not
    `trainaug`)."""
    components: int = Field(50, ge=1)
    """Number of dimensions that PCA leaves of a token. Before PCA each dimension is scaled to mean
    0 and standard deviation 1. More of them keep more detail and take longer (released code:
    50)."""
    iterations: int = Field(100, ge=1)
    """Iterations of each k-means. More of them settle the clusters better and take longer."""
    redos: int = Field(5, ge=1)
    """Number of runs of each k-means from different starts; the best one counts. More of them make
    the result depend less on chance and take longer."""
    enlarged: bool = True
    """`true` enlarges every map of patches to `mask_size` before clusters and neighbours are
    counted (released code). `false` counts patches as they are."""
    clustering_seed: Seed | None = 0
    """Seed of the k-means that find foreground and clusters. With a number, `seeds` change the
    communities alone (released code); null runs the k-means with each of `seeds` too."""
    foreground_clusters: int = Field(200, ge=2)
    """Number of clusters, each of which is foreground or background as a whole. With more of them
    the foreground follows objects more closely (released code: 200)."""
    unit_length: bool = True
    """`true` scales tokens to length 1 before the k-means of the foreground. `false` lets long
    tokens count more (released code)."""
    attention_mass: float = Field(0.7, gt=0.0, lt=1.0)
    """Share of the class token's smoothed attention that marks an image's foreground. A higher
    value marks more patches (paper: 0.7; released code: 0.65)."""
    foreground_threshold: float | None = Field(None, ge=0.0, le=1.0)
    """A cluster is foreground if attention marks at least this share of its cells. A higher value
    leaves less foreground; null chooses it on the training images."""
    threshold_by: Literal["labels", "attention"] = "labels"
    """How `foreground_threshold: null` is chosen on the training images. `labels`: so that the
    foreground agrees best with the labelled objects (released code). `attention`: so that it agrees
    best with what attention marks, without any label."""
    threshold_cuts: Shares = (0.55, 0.75)
    """With `threshold_by: labels`, the smallest and largest share of the clusters that may be
    background. Higher values leave less foreground (released code: 0.55 to 0.75)."""
    threshold_step: float = Field(0.05, gt=0.0, lt=1.0)
    """A chosen threshold is rounded to multiples of this step. A higher value is coarser (released
    code: 0.05)."""
    foreground_seeds: Seeds = [0, 1, 2, 3, 4]
    """Seeds of the k-means that divides the foreground into one cluster fewer than there are
    classes. Each is a result (paper, Table 6, +CBFE)."""
    clusters: int = Field(189, ge=2)
    """Number of clusters (K) into which the foreground is divided before communities join them.
    More of them are smaller parts of objects (paper: k_community 189)."""
    distances: tuple[Count, ...] = Field((1, 2), min_length=1)
    """Distances, in cells, at which two cells count as neighbours. Larger distances join parts that
    lie further apart (released code: 1 and 2)."""
    neighbourhood: Literal["square", "released"] = "square"
    """Which cells at a distance are neighbours. `square`: the four straight and the four diagonal
    ones. `released`: those of the released code, which rounds angles to cells, so that some count
    twice at distance 2."""
    background_neighbour: bool = True
    """`true` counts background as a neighbour and lets it join a community like a cluster (released
    code). `false` does not count it."""
    weight_threshold: float = Field(0.07, ge=0.0, le=1.0)
    """Two clusters are linked if each of them makes up at least this share of the other's
    neighbours. A higher value leaves fewer links, and more clusters stay background (paper:
    0.07)."""
    markov_time: float = Field(1.2, gt=0.0)
    """Markov time of Infomap, which finds the communities. A higher value joins more clusters into
    larger communities (paper: 1.2)."""
    preferred_modules: int = Field(20, ge=1)
    """Number of communities that Infomap prefers. A higher value makes more and smaller communities
    likelier (released code: 20)."""
    seeds: Seeds = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """Seeds of Infomap, each of which finds communities of its own (paper: ten seeds; see
    `clustering_seed`)."""
    reported: Literal["best", "mean"] = "best"
    """Which mIoU is the result. `best`: the highest of the seeds on the held-out images (paper),
    which is optimistic. `mean`: the mean over seeds (released code). The metrics file has both."""
    trials: int = Field(0, ge=0)
    """Number of sets of `clusters`, `weight_threshold` and `markov_time` that a search first tries
    on the training labels. More of them take longer; 0 takes the values above, the paper's best
    (released code: 300)."""
    search_clusters: Annotated[tuple[Count, Count, Count], AfterValidator(in_order)] = (69, 249, 10)
    """First value, last value and step of `clusters` in the search. A larger step tries fewer
    values (paper: 69 to 249; Leopart starts at 99)."""
    search_weight: Sweep = (0.01, 0.1, 0.01)
    """First value, last value and step of `weight_threshold` in the search. A larger step tries
    fewer values (paper: 0.01 to 0.1)."""
    search_markov_time: Sweep = (0.1, 2.0, 0.1)
    """First value, last value and step of `markov_time` in the search. A larger step tries fewer
    values (paper: 0.1 to 2)."""
    search_seed: Seed = 1000
    """Seed of the search, which decides the sets that it tries."""
