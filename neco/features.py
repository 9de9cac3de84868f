"""Frozen features of (model, dataset, split): extracted once, shared by every evaluation.

    <folder>/features.npy   (images, rows, columns, dim), float16 or float32, memory-mapped
    <folder>/about.json     model, dataset, split, image_size, patch_size, ids, digests, seconds
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neco.errors import UserError


@dataclass(frozen=True)
class Features:
    """Frozen patch tokens of one split: `tokens` (images, rows, columns, dim), memory-mapped."""

    tokens: np.ndarray
    ids: list[str]
    about: dict[str, Any]


def read_features(folder: Path) -> Features:
    """Return the features that `extract_features` wrote to `folder`."""
    about = folder / "about.json"
    if not about.exists():
        raise UserError(f"{folder}: holds no features (no about.json); run `neco extract` first")
    description = json.loads(about.read_text())
    tokens = np.load(folder / "features.npy", mmap_mode="r")
    return Features(tokens, description["ids"], description)
