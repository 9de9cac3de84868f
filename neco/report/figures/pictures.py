"""Pictures of a dataset for figures: indices come in, a grid of pictures comes out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from neco.data.dataset import Dataset
from neco.report.figures.style import INK, label_colours, painted

LONGEST = 320
"""Longest side of a picture in a figure, in pixels."""
ACROSS = 7.0
"""Width of a figure of pictures in inches."""
GAP = 0.04
"""Inches between the pictures of a figure."""
Column = tuple[str, list[np.ndarray], list[str]]
"""A column of a figure: its title, a picture for each row, and the scores of these, if any."""


@dataclass(frozen=True)
class Picture:
    """One image of a dataset, reduced for print, with its labels."""

    id: str
    pixels: np.ndarray
    """uint8 (H, W, 3)"""
    labels: np.ndarray
    """uint8 (H, W), 255 = ignored"""

    @property
    def aspect(self) -> float:
        """Width over height."""
        return self.pixels.shape[1] / self.pixels.shape[0]

    def sized(self, labels: np.ndarray) -> np.ndarray:
        """Return label maps of any size at this picture's, every pixel read at its centre."""
        rows, columns = self.pixels.shape[:2]
        y = (2 * np.arange(rows) + 1) * labels.shape[0] // (2 * rows)
        x = (2 * np.arange(columns) + 1) * labels.shape[1] // (2 * columns)
        return labels[y[:, None], x]


def read_picture(dataset: Dataset, index: int, longest: int = LONGEST) -> Picture:
    """Return one image of a labelled split, reduced so that its longest side is `longest`."""
    item = dataset.items[index]
    image = item.read_image()
    scale = min(1.0, longest / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    pixels = np.asarray(image.resize(size))
    labels = item.read_mask()
    return Picture(item.id, pixels, Picture(item.id, pixels, labels).sized(labels))


def labelled(picture: Picture, labels: np.ndarray, classes: list[str]) -> np.ndarray:
    """Return the picture with class labels of any size laid over it. Background only darkens it."""
    return painted(picture.pixels, picture.sized(labels), label_colours(classes))


def grid(
    widths: Sequence[float],
    heights: Sequence[float],
    *,
    across: float,
    left: float = 0.0,
    top: float = 0.0,
    bottom: float = 0.0,
    gap: float = GAP,
) -> tuple[Figure, list[list[Axes]]]:
    """Return a figure `across` inches wide and axes[row][column] that fill it edge to edge.

    widths, heights: those of columns and rows in one unit, so that pictures keep their shape. The
    margins `left`, `top` and `bottom` and the `gap` between pictures are in inches.
    """
    unit = (across - left - gap * (len(widths) - 1)) / sum(widths)
    tall = top + bottom + unit * sum(heights) + gap * (len(heights) - 1)
    figure = Figure(figsize=(across, tall))
    axes = []
    y = tall - top
    for height in heights:
        y -= unit * height
        x = left
        row = []
        for width in widths:
            place = (x / across, y / tall, unit * width / across, unit * height / tall)
            row.append(figure.add_axes(place))
            x += unit * width + gap
        axes.append(row)
        y -= gap
    return figure, axes


def justified(
    aspects: Sequence[Sequence[float]],
    *,
    across: float,
    bottom: float = 0.0,
) -> tuple[Figure, list[list[Axes]]]:
    """Return a figure and axes[row][column] in which every row of pictures fills the width.

    aspects: width over height of every picture, row by row. across, bottom: in inches.
    """
    heights = [(across - GAP * (len(row) - 1)) / sum(row) for row in aspects]
    tall = sum(heights) + GAP * (len(heights) - 1) + bottom
    figure = Figure(figsize=(across, tall))
    axes = []
    y = tall
    for row, height in zip(aspects, heights, strict=True):
        x = 0.0
        places = []
        for aspect in row:
            width = aspect * height
            box = (x / across, (y - height) / tall, width / across, height / tall)
            places.append(figure.add_axes(box))
            x += width + GAP
        axes.append(places)
        y -= height + GAP
    return figure, axes


def show(axes: Axes, pixels: np.ndarray) -> None:
    """Draw a picture over the whole of `axes`, without frame or ticks."""
    axes.imshow(pixels, aspect="auto", interpolation="nearest")
    axes.set_axis_off()


def legend(figure: Figure, classes: list[str], shown: Sequence[int], height: float) -> None:
    """Name the colours of the classes that are `shown`, in the lowest `height` inches."""
    colours = label_colours(classes) / 255
    names = [name.replace("$", r"\$") for name in classes]  # no formulas in names
    handles = [
        Patch(facecolor=colours[k], edgecolor=INK, linewidth=0.3, label=names[k]) for k in shown
    ]
    across, tall = figure.get_size_inches()
    columns = max(1, min(len(handles), int(across / 1.05)))
    figure.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, height / tall),
        ncols=columns,
        fontsize=6.5,
        handlelength=1.1,
        handleheight=1.0,
        columnspacing=1.0,
        borderaxespad=0.0,
    )


def legend_height(shown: Sequence[int], across: float) -> float:
    """Return the inches that `legend` needs for so many classes."""
    rows = -(-len(shown) // max(1, int(across / 1.05)))
    return 0.12 + 0.17 * rows


def draw_columns(
    pictures: list[Picture], columns: list[Column], classes: list[str], shown: list[int]
) -> Figure:
    """Return a figure with a row for each picture and a legend of the classes that are `shown`."""
    bottom = legend_height(shown, ACROSS) + 0.05
    heights = [1 / picture.aspect for picture in pictures]
    figure, axes = grid([1.0] * len(columns), heights, across=ACROSS, top=0.2, bottom=bottom)
    for number, (title, tiles, scores) in enumerate(columns):
        axes[0][number].set_title(title, fontsize=7, pad=3)
        for place, (row, tile) in zip(axes, enumerate(tiles), strict=True):
            show(place[number], tile)
            if scores:
                _corner(place[number], f"mIoU {scores[row]}")
    legend(figure, classes, shown, bottom - 0.05)
    return figure


def _corner(axes: Axes, text: str) -> None:
    box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
    axes.text(0.03, 0.04, text, transform=axes.transAxes, fontsize=6, bbox=box)
