"""Settings of the demo backbone's image-level pretraining."""

from typing import Literal

from pydantic import Field

from neco.config.base import Settings


class Stage(Settings):
    """One cosine schedule."""

    pool: Literal["token", "average"]
    """What names the image: the class token, or the mean of the patch tokens."""
    steps: int = Field(ge=1)
    learning_rate: float = Field(gt=0.0)
    sides: list[int] = [64]
    """Input sides in pixels; each batch draws one."""


class Pretraining(Settings):
    """Naming the one thing of a generated portrait: image labels, no masks."""

    portraits: int = Field(16_000, ge=1)
    """Generated images, from a seed that no dataset of the project uses."""
    portrait_size: int = Field(80, ge=16)
    """Side in pixels of a portrait, from which views are cut."""
    portrait_seed: int = 7_000
    held_out: int = Field(1_000, ge=1)
    """Further portraits, on which the accuracy is reported."""
    seed: int = 0
    batch_size: int = Field(64, ge=1)
    stages: list[Stage] = [
        Stage(pool="token", steps=4000, learning_rate=1e-3),
        Stage(pool="average", steps=1200, learning_rate=5e-4, sides=[64, 96]),
    ]
    weight_decay: float = Field(0.05, ge=0.0)
    warmup_steps: int = Field(200, ge=0)
    crop_scale: tuple[float, float] = (0.4, 1.0)
    """Share of the portrait's area that a view covers."""
    processes: int = Field(2, ge=1)
    """Processes that render portraits."""
