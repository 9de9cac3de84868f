"""Figures of labels over images: images and labels come in, Figures 3 and 7 come out.

Figure 3 shows the ground truth, and Figure 7 segments that were found without labels.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from neco.data.dataset import IGNORED, Dataset
from neco.errors import UserError
from neco.report.figures.given import Given
from neco.report.figures.pictures import (
    ACROSS,
    Column,
    choose,
    draw_columns,
    justified,
    labelled,
    legend,
    legend_height,
    read_picture,
    show,
)
from neco.report.figures.style import drawn

PER_ROW = 6


def figure_3(given: Given) -> list[Path]:
    """Write figure-3.png and .pdf of images of the held-out split; return the paths."""
    val = given.held_out()
    images = 2 * given.project.report.images
    return drawn(lambda: draw_truth(val, images), given.into, "figure-3")


def figure_7(given: Given) -> list[Path]:
    """Write figure-7.png and .pdf; return the paths."""
    val, models = given.held_out(), list(zip(given.names, given.maps, strict=True))
    images = given.project.report.images
    return drawn(lambda: draw_segments(val, models, images), given.into, "figure-7")


def draw_truth(dataset: Dataset, images: int) -> Figure:
    """Return Figure 3: rows of images with their labels, images drawn at random."""
    pictures = [read_picture(dataset, index) for index in choose(dataset, images)]
    rows = [pictures[start : start + PER_ROW] for start in range(0, len(pictures), PER_ROW)]
    shown = np.unique(np.concatenate([picture.labels.ravel() for picture in pictures]))
    shown = shown[shown != IGNORED]
    bottom = legend_height(shown.tolist(), ACROSS) + 0.05
    aspects = [[picture.aspect for picture in row] for row in rows]
    figure, axes = justified(aspects, across=ACROSS, bottom=bottom)
    for row, places in zip(rows, axes, strict=True):
        for picture, place in zip(row, places, strict=True):
            show(place, labelled(picture, picture.labels, dataset.classes))
    legend(figure, dataset.classes, shown.tolist(), bottom - 0.05)
    return figure


def draw_segments(val: Dataset, models: Sequence[tuple[str, Path]], images: int) -> Figure:
    """Return Figure 7, with a row for each of the held-out images, which are drawn at random.

    Its columns are input, ground truth, and each model's segments in the colours of the classes to
    which they were matched. models: the name of each, and the file of classes that the unsupervised
    protocol predicted with it.
    """
    chosen = choose(val, images)
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
