"""Figure 7: images and predicted classes come in, segments found without labels come out."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from neco.data.dataset import IGNORED, Dataset
from neco.errors import UserError
from neco.evaluate.subsets import images_to_show
from neco.report.figures.given import Given
from neco.report.figures.pictures import Column, draw_columns, labelled, read_picture
from neco.report.figures.style import drawn


def figure_7(given: Given) -> list[Path]:
    """Write figure-7.png and .pdf; return the paths."""
    val, models = given.held_out(), list(zip(given.names, given.maps, strict=True))
    images = given.project.report.images
    return drawn(lambda: draw_segments(val, models, images), given.into, "figure-7")


def draw_segments(val: Dataset, models: Sequence[tuple[str, Path]], images: int) -> Figure:
    """Return Figure 7, with a row for each of the held-out images, which are drawn at random.

    Its columns are input, ground truth, and each model's segments in the colours of the classes to
    which they were matched. models: the name of each, and the file of classes that the unsupervised
    protocol predicted with it.
    """
    chosen = images_to_show(val, images)
    pictures = [read_picture(val, index) for index in chosen]
    shown = [np.unique(picture.labels) for picture in pictures]
    columns: list[Column] = [
        ("input", [picture.pixels for picture in pictures], []),
        ("ground truth", [labelled(p, p.labels, val.classes) for p in pictures], []),
    ]
    for name, path in models:
        maps = _read_maps(path, val)[chosen]
        shown += [np.unique(found) for found in maps]
        tiles = [labelled(p, m, val.classes) for p, m in zip(pictures, maps, strict=True)]
        columns.append((name, tiles, []))
    classes = np.unique(np.concatenate(shown))
    return draw_columns(pictures, columns, val.classes, classes[classes != IGNORED].tolist())


def _read_maps(path: Path, val: Dataset) -> np.ndarray:
    with np.load(path) as stored:
        maps: np.ndarray = stored["classes"]
    if len(maps) != len(val):
        raise UserError(
            f"{path}: holds {len(maps)} images, the split has {len(val)}; make it again"
        )
    return maps
