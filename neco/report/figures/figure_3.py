"""Figure 3: held-out images come in, the images with their ground truth come out."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from neco.data.dataset import IGNORED, Dataset
from neco.evaluate.subsets import images_to_show
from neco.report.figures.given import Given
from neco.report.figures.pictures import (
    ACROSS,
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


def draw_truth(dataset: Dataset, images: int) -> Figure:
    """Return Figure 3: rows of images with their labels, images drawn at random."""
    pictures = [read_picture(dataset, index) for index in images_to_show(dataset, images)]
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
