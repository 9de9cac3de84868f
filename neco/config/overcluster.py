"""Settings of overclustering. Defaults are the paper's; source: appendix A.2."""

from typing import ClassVar, Literal

from pydantic import Field

from neco.config.base import Count, Seeds
from neco.config.protocol import Gridded, Preset


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
