"""Settings of the demo backbone's image-level pretraining."""

from typing import Literal

from pydantic import Field

from neco.config.base import Settings


class Stage(Settings):
    """One cosine schedule on one kind of generated image."""

    images: Literal["portraits", "scenes"]
    """One thing in the middle, to be named; or one to four, of which the kinds are told."""
    pool: Literal["token", "average", "strongest"]
    """What is told from: the class token, the mean of the patch tokens, or the mean of each
    class's strongest patches."""
    count: int = Field(ge=1)
    """Generated images."""
    image_size: int = Field(ge=16)
    """Side in pixels of an image, from which views are cut."""
    sides: list[int] = [64]
    """Input sides in pixels; each batch draws one."""
    crop_scale: tuple[float, float]
    """Share of the image's area that a view covers."""
    steps: int = Field(ge=1)
    learning_rate: float = Field(gt=0.0)


class Pretraining(Settings):
    """Image-level pretraining: a label or tags for a whole image, no masks."""

    image_seed: int = 7_000
    """Seed of the images, which no dataset of the project uses."""
    seed: int = 0
    batch_size: int = Field(64, ge=1)
    stages: list[Stage] = [
        Stage(
            images="portraits", pool="token", count=16_000, image_size=80,
            crop_scale=(0.4, 1.0), steps=4000, learning_rate=1e-3,
        ),
        Stage(
            images="portraits", pool="average", count=16_000, image_size=80, sides=[64, 96],
            crop_scale=(0.4, 1.0), steps=1200, learning_rate=5e-4,
        ),
        Stage(
            images="scenes", pool="strongest", count=8_000, image_size=96, sides=[96],
            crop_scale=(0.8, 1.0), steps=1000, learning_rate=5e-4,
        ),
    ]  # fmt: skip
    strongest: int = Field(10, ge=1)
    """Patches per class that `strongest` takes."""
    held_out: int = Field(1_000, ge=1)
    """Further images, on which the mean average precision is reported."""
    weight_decay: float = Field(0.05, ge=0.0)
    warmup_steps: int = Field(100, ge=0)
    processes: int = Field(2, ge=1)
    """Processes that render images."""
