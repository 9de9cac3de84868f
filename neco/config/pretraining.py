"""Settings of the demo backbone's image-level pretraining."""

from pydantic import Field

from neco.config.base import Settings


class Pretraining(Settings):
    """Naming the one thing of a generated portrait, from the class token alone: no masks."""

    portraits: int = Field(16_000, ge=1)
    """Generated images, from a seed that no dataset of the project uses."""
    portrait_size: int = Field(80, ge=16)
    """Side in pixels of a portrait; views are cut from it at the backbone's own input size."""
    portrait_seed: int = 7_000
    held_out: int = Field(1_000, ge=1)
    """Further portraits, on which the accuracy is reported."""
    seed: int = 0
    batch_size: int = Field(64, ge=1)
    steps: int = Field(4_000, ge=1)
    learning_rate: float = Field(1e-3, gt=0.0)
    weight_decay: float = Field(0.05, ge=0.0)
    warmup_steps: int = Field(200, ge=0)
    crop_scale: tuple[float, float] = (0.4, 1.0)
    """Share of the portrait's area that a view covers."""
    processes: int = Field(2, ge=1)
    """Processes that render portraits."""
