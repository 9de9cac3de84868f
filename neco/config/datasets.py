"""Settings of a project's datasets: which splits of them serve, and scenes made in their stead."""

from typing import Annotated

from pydantic import Field

from neco.config.base import Settings

PartName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
"""A name of a dataset or a split: one part of a file's name, whose parts are joined by dots."""


class Scenes(Settings):
    """Generated photographs-like scenes, written as official archives (no download needed)."""

    train: int = Field(600, ge=1)
    """Labelled training images per archive."""
    val: int = Field(200, ge=1)
    """Held-out images per archive."""
    unlabelled: int = Field(600, ge=0)
    """Further training images of COCO's image archive, without annotation."""
    width: int = Field(128, ge=16)
    height: int = Field(128, ge=16)
    seed: int = 0


class DatasetSplits(Settings):
    """Which splits of a prepared dataset serve as training and held-out images."""

    train: PartName = "train"
    val: PartName = "val"
