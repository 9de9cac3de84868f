"""Settings of fully unsupervised segmentation. Source: paper, appendix A.2; Leopart's code."""

from typing import ClassVar, Literal

from pydantic import Field

from neco.config.protocol import Gridded, Preset


class Unsupervised(Gridded):
    """Fully unsupervised segmentation: cluster-based foreground, communities of clusters."""

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
    """Named starting point. `paper` is its text and, where that refers to Leopart's code, what the
    code is for; `released` is that code to the letter."""
    image_size: int = Field(448, ge=8)
    mask_size: int = Field(100, ge=1)
    """Side at which segments and masks are compared, both by nearest neighbour."""
    train_split: str = Field("train", pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
    """Clustered together with the held-out split; VOC's own, not trainaug."""
    components: int = Field(50, ge=1)
    """PCA dimensions after per-dimension standardisation."""
    iterations: int = Field(100, ge=1)
    redos: int = Field(5, ge=1)
    enlarged: bool = True
    """Features are brought to `mask_size` by nearest neighbour before they are clustered, and
    neighbours are counted there; else both on patches as they are."""
    clustering_seed: int | None = 0
    """Of the k-means of foreground and of clusters, so that `seeds` only vary the communities
    (released code); null clusters anew for each seed."""
    foreground_clusters: int = Field(200, ge=2)
    """K of the spherical k-means whose clusters are foreground or background."""
    unit_length: bool = True
    """Tokens of length 1 for that k-means; else long tokens weigh more (released code)."""
    attention_mass: float = Field(0.7, gt=0.0, lt=1.0)
    """Share of the smoothed attention that marks an image's foreground (released code 0.65)."""
    foreground_threshold: float | None = Field(None, ge=0.0, le=1.0)
    """Precision from which a cluster is foreground; null chooses it on the training images."""
    threshold_by: Literal["labels", "attention"] = "labels"
    """What a chosen threshold's foreground has to agree with: training labels that are not
    background (released code), or the attention masks, for which no label is looked at."""
    threshold_cuts: tuple[float, float] = (0.55, 0.75)
    """Shares of the clusters that may be background, by which `labels` choose."""
    threshold_step: float = Field(0.05, gt=0.0, lt=1.0)
    """What a chosen threshold is a multiple of."""
    foreground_seeds: list[int] = [0, 1, 2, 3, 4]
    """Of the k-means of the foreground into one cluster less than classes (Table 6, +CBFE)."""
    clusters: int = Field(189, ge=2)
    """K of the foreground's k-means, whose clusters are joined (k_community)."""
    distances: tuple[int, ...] = (1, 2)
    """Cells between neighbours that count as company."""
    neighbourhood: Literal["square", "released"] = "square"
    """The eight cells at each distance; or those that the released code's angles round to."""
    background_neighbour: bool = True
    """Background counts as a neighbour and may join a community, like a cluster."""
    weight_threshold: float = Field(0.07, ge=0.0, le=1.0)
    """Both clusters are that often beside each other."""
    markov_time: float = Field(1.2, gt=0.0)
    """Of Infomap: longer joins more."""
    preferred_modules: int = Field(20, ge=1)
    seeds: list[int] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """Of the communities; see `clustering_seed`."""
    reported: Literal["best", "mean"] = "best"
    """The seed with the highest held-out mIoU (paper), or the mean over seeds (released code); the
    other is in the metrics file too."""
    trials: int = Field(0, ge=0)
    """Parameter sets to search on the training labels first (optuna); 0 takes the paper's best."""
    search_clusters: tuple[int, int, int] = (69, 249, 10)
    """First, last, step of K (Leopart: from 99)."""
    search_weight: tuple[float, float, float] = (0.01, 0.1, 0.01)
    search_markov_time: tuple[float, float, float] = (0.1, 2.0, 0.1)
    search_seed: int = 1000
