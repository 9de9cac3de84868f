"""Settings of `neco compare`: what is measured of which images, how exactly, and what is shown."""

from typing import Any, Literal

from pydantic import Field

from neco.config.base import Seed, Settings

Compared = Literal["in-context", "overcluster", "linear", "unsupervised", "consistency"]
"""The protocols on frozen backbones. Segmenter trains the backbone, so it compares trainings."""


class Page(Settings):
    """What the page of a comparison holds. Everything lies in one file."""

    images: int = Field(16, ge=1)
    """Number of images on the page, drawn at random. Each of them makes the page about 15 kB
    larger, without its patches."""
    dimensions: int = Field(32, ge=2)
    """Numbers per token on the page. With a higher value the neighbours agree better with those of
    the whole tokens, and the page grows by one byte for each patch and number."""
    grid: int = Field(24, ge=2)
    """Largest number of rows and columns of patches; finer grids are averaged down to it. A higher
    value shows finer patches and makes the page larger."""
    longest: int = Field(288, ge=32)
    """Longest side of an image on the page, in pixels. A higher value shows more detail and makes
    the page larger."""
    neighbours: int = Field(8, ge=1)
    """Number of nearest patches that the page shows for a chosen patch. A higher value shows more
    distant ones too."""
    clusters: int = Field(12, ge=2, le=255)
    """Number of clusters (K) of the cluster maps, which are made of the page's images alone. More
    of them show smaller parts."""
    megabytes: float = Field(12.0, gt=0.0)
    """Largest size of the tokens of all backbones and datasets on the page, in millions of bytes.
    If they would take more, fewer images are shown. A higher value allows a larger page."""
    seed: Seed = 0
    """Seed that draws the page's images and starts its clusters."""


class Compare(Settings):
    """How `neco compare` compares backbones."""

    protocols: list[Compared] = [
        "in-context", "overcluster", "linear", "unsupervised", "consistency",
    ]  # fmt: skip
    """Protocols that are run. One that does not fit the data or a backbone is left out, with the
    reason. More of them take longer."""
    replicas: int = Field(2000, ge=100)
    """Number of resamplings of the images for the paired bootstrap. More of them make the ends of
    the intervals steadier and take longer."""
    level: float = Field(0.95, gt=0.5, lt=1.0)
    """Share of the resamplings that an interval holds. A higher value makes intervals wider."""
    seed: Seed = 0
    """Seed of the resamplings, and of the choice of images where only some are used."""
    train_images: int | None = Field(None, ge=2)
    """Largest number of training images that are used, drawn at random. A higher value takes
    longer; null uses all."""
    val_images: int | None = Field(None, ge=2)
    """Largest number of held-out images that are used, drawn at random. A higher value gives
    narrower intervals and takes longer; null uses all."""
    page: Page = Page()


FEATURES = ("in_context", "overcluster", "linear", "unsupervised")
"""The protocols that read features, which one input size serves."""


def at_size(side: int) -> dict[str, Any]:
    """Return the settings by which one extraction of features at `side` pixels serves them all."""
    return {name: {"image_size": side} for name in FEATURES}


_AT_ONE_SIZE = {"image_size": 448, "absent": "skip", "bootstrap": 0}
BELOW: dict[str, Any] = {
    "in_context": _AT_ONE_SIZE,
    "overcluster": _AT_ONE_SIZE,
    "linear": {**_AT_ONE_SIZE, "augment": False, "batch_size": 16},
    "unsupervised": {**_AT_ONE_SIZE, "reported": "mean"},
    "consistency": {"bootstrap": 0},
}
"""Where a comparison starts from: the paper's settings, but features are extracted once at one size
(no augmented images for the linear head), a class that no held-out image shows is left out, batches
fit small folders, and no seed is chosen by the labels that it is scored on. Intervals are those of
the paired draws. Any configuration lies above."""

QUICK: dict[str, Any] = {
    "compare": {"train_images": 400, "val_images": 100, "replicas": 1000, "page": {"images": 12}},
    "in_context": {"image_size": 224, "fractions": [1, 8], "seeds": [0, 1]},
    "overcluster": {
        "image_size": 224, "clusters": ["classes", 100], "iterations": 30, "redos": 1, "seeds": [0],
    },
    "linear": {"image_size": 224, "full_resolution": False, "batch_size": 8},
    "unsupervised": {"image_size": 224, "seeds": [0, 1, 2], "foreground_seeds": [0]},
    "consistency": {"images": 100, "seeds": [0]},
}  # fmt: skip
"""What `--quick` changes: smaller images and fewer of them, fewer fractions, clusters and seeds. It
is made for laptops; its numbers compare with each other alone."""
