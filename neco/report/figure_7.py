"""Figure 7: segments that no label helped to find, of the start and of NeCo."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from neco.data.dataset import IGNORED, Dataset
from neco.errors import UserError
from neco.report.pictures import (
    choose,
    grid,
    labelled,
    legend,
    legend_height,
    read_picture,
    show,
)
from neco.report.style import drawn

ACROSS = 7.0


def write_figure_7(
    val: Dataset,
    models: list[tuple[str, Path]],
    into: Path,
    images: int = 6,
    seed: int = 0,
) -> list[Path]:
    """Write figure-7.png and .pdf; return the paths.

    Columns: input, ground truth, and each model's segments in the colours of the classes that they
    were matched to. models: (name, file of predicted classes from the unsupervised protocol).
    """
    return drawn(lambda: draw(val, models, images, seed), into, "figure-7")


def draw(val: Dataset, models: list[tuple[str, Path]], images: int, seed: int) -> Figure:
    """Return the figure: one row per image of the held-out split, images drawn at random."""
    chosen = choose(val, images, seed=seed)
    pictures = [read_picture(val, index) for index in chosen]
    shown = [np.unique(picture.labels) for picture in pictures]
    columns: list[tuple[str, list[np.ndarray]]] = [
        ("input", [picture.pixels for picture in pictures]),
        ("ground truth", [labelled(p, p.labels, val.classes) for p in pictures]),
    ]
    for name, path in models:
        maps = _read_maps(path, val)[chosen]
        shown += [np.unique(found) for found in maps]
        tiles = [labelled(p, m, val.classes) for p, m in zip(pictures, maps, strict=True)]
        columns.append((name, tiles))
    classes = np.unique(np.concatenate(shown))
    classes = classes[classes != IGNORED].tolist()
    bottom = legend_height(classes, ACROSS) + 0.05
    heights = [1 / picture.aspect for picture in pictures]
    figure, axes = grid([1.0] * len(columns), heights, across=ACROSS, top=0.2, bottom=bottom)
    for column, (title, tiles) in enumerate(columns):
        axes[0][column].set_title(title, fontsize=7, pad=3)
        for row, tile in enumerate(tiles):
            show(axes[row][column], tile)
    legend(figure, val.classes, classes, bottom - 0.05)
    return figure


def _read_maps(path: Path, val: Dataset) -> np.ndarray:
    with np.load(path) as stored:
        maps: np.ndarray = stored["classes"]
    if len(maps) != len(val):
        raise UserError(
            f"{path}: holds {len(maps)} images, the split has {len(val)}; make it again"
        )
    return maps
