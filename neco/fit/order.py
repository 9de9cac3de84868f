"""What the user asked `neco fit` for."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from neco.config.fit import Fit


@dataclass(frozen=True)
class Asked:
    """How long the training shall be, and settings that are not to be chosen."""

    steps: int | None = None
    seconds: float | None = None
    """For the whole command."""
    train: dict[str, Any] | None = None
    """What `--set train.KEY=VALUE` said, nested."""


@dataclass(frozen=True)
class Order:
    """Images, start and place."""

    images: Path
    backbone: str
    into: Path
    weights: Path | None = None
    asked: Asked = Asked()
    rules: Fit = field(default_factory=Fit)
    skip: int | None = None
    mirrors: tuple[str, ...] = ("official",)
    downloads: Path = Path("data/downloads")
