"""Class names and colours that archives do not hold: a dataset comes in, its classes come out.

The names are read from classes.yaml.
"""

from functools import cache
from importlib.resources import files

import numpy as np
import yaml


@cache
def _table() -> dict[str, list[str]]:
    text = files("neco.data").joinpath("classes.yaml").read_text(encoding="utf-8")
    table: dict[str, list[str]] = yaml.safe_load(text)
    return table


def class_names(dataset: str) -> list[str]:
    """Return the class names of a dataset in the order of their ids."""
    return list(_table()[dataset])


def voc_colours(count: int = 256) -> np.ndarray:
    """Return the colours of PASCAL VOC's own label images, uint8 (count, 3).

    The bits of a class id go in turn to red, green and blue, the lowest to the highest bits there.
    Source: VOC devkit.
    """
    ids = np.arange(count)
    colours = np.zeros((count, 3), dtype=np.uint8)
    for bit in range(8):
        colours[:, bit % 3] |= (((ids >> bit) & 1) << (7 - bit // 3)).astype(np.uint8)
    return colours
