"""Settings of a project's datasets: which splits of them serve, and scenes made in their stead."""

from typing import Annotated

from pydantic import Field

from neco.config.base import Seed, Settings

PartName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
"""A name of a dataset or a split: one part of a file's name, whose parts are joined by dots."""


class Scenes(Settings):
    """Generated images in the form of the official archives, so that nothing has to be
    downloaded."""

    train: int = Field(600, ge=1)
    """Labelled training images of each archive. More of them take longer to make."""
    val: int = Field(200, ge=1)
    """Labelled held-out images of each archive. More of them take longer to make and give steadier
    results."""
    unlabelled: int = Field(600, ge=0)
    """Training images without annotation that COCO's archive has in addition. More of them take
    longer to make."""
    width: int = Field(128, ge=16)
    """Width of an image in pixels. Wider images take longer to make and to use."""
    height: int = Field(128, ge=16)
    """Height of an image in pixels. Higher images take longer to make and to use."""
    seed: Seed = 0
    """Seed that decides what the scenes show."""


class DatasetSplits(Settings):
    """Which splits of a prepared dataset evaluations use."""

    train: PartName = "train"
    """Name of the split whose labelled images evaluations learn from. Trainings name their split in
    `train.split`."""
    val: PartName = "val"
    """Name of the split that evaluations are scored on."""
