"""Figure 3: the ground truth of a dataset, laid over its images."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from neco.data.dataset import IGNORED, Dataset
from neco.report.pictures import (
    choose,
    justified,
    labelled,
    legend,
    legend_height,
    read_picture,
    show,
)
from neco.report.style import drawn

ACROSS = 7.0
PER_ROW = 6


def write_figure_3(dataset: Dataset, into: Path, images: int = 12, seed: int = 0) -> list[Path]:
    """Write figure-3.png and .pdf of `images` images of a labelled split; return the paths."""
    return drawn(lambda: draw(dataset, images, seed), into, "figure-3")


def draw(dataset: Dataset, images: int, seed: int) -> Figure:
    """Return the figure: rows of images with their labels, images drawn at random."""
    pictures = [read_picture(dataset, index) for index in choose(dataset, images, seed=seed)]
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
