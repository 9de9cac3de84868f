"""Settings of the demo backbone's image-level pretraining."""

from pydantic import Field

from neco.config.base import Settings


class Pretraining(Settings):
    """Multi-label tags of generated scenes, told from the class token alone: no masks."""

    scenes: int = Field(6000, ge=1)
    """Generated scenes, from a seed that no dataset of the project uses."""
    scene_size: int = Field(128, ge=16)
    scene_seed: int = 7_000
    seed: int = 0
    batch_size: int = Field(64, ge=1)
    steps: int = Field(2000, ge=1)
    learning_rate: float = Field(1e-3, gt=0.0)
    weight_decay: float = Field(0.05, ge=0.0)
    warmup_steps: int = Field(100, ge=0)
    crop_scale: tuple[float, float] = (0.2, 1.0)
    """Share of the image's area that a training crop covers."""
    visible_share: float = Field(0.02, gt=0.0, lt=1.0)
    """A crop is tagged with a class that covers at least this share of it."""
    held_out: int = Field(500, ge=1)
    """Further scenes on which the tags' mean average precision is reported."""
    processes: int = Field(2, ge=1)
    """Processes that render scenes."""
