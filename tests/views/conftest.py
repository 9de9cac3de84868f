"""Photographs for tests: coloured areas with sharp edges, texture and a gradient."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from neco.data.dataset import Dataset, Item


def photograph(seed: int, width: int, height: int) -> Image.Image:
    """Return a picture with the statistics of a photograph: smooth areas, edges, some grain."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8))
    image = coarse.resize((width, height), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        corners = (rng.uniform(0, 1, (3, 2)) * [width, height]).ravel().tolist()
        draw.polygon(corners, fill=tuple(rng.integers(0, 256, 3).tolist()))
    grain = rng.normal(0, 4, (height, width, 1))
    return Image.fromarray(np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8))


@pytest.fixture
def dataset_of(tmp_path: Path) -> Callable[..., Dataset]:
    """Return a function that writes photographs of the given sizes and returns them as a split."""

    def write(sizes: list[tuple[int, int]], suffix: str = "jpg") -> Dataset:
        items = []
        for number, (width, height) in enumerate(sizes):
            path = tmp_path / f"{number}.{suffix}"
            photograph(number, width, height).save(path, quality=92)
            items.append(Item(str(number), path, None, "train"))
        return Dataset("photos", tmp_path, "train", [], items)

    return write
