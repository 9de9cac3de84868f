"""Figures 4 and 5: features of the start and of NeCo come in, queries and nearest patches come out.

Figure 4 shows queries at equal steps, and Figure 5 those in which the start beats NeCo most.
"""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from neco.data.dataset import Dataset
from neco.features import Features, read_features
from neco.report.figures.given import Given
from neco.report.figures.nearest import Retrieved, retrieve
from neco.report.figures.pictures import grid, show
from neco.report.figures.style import SOFT, drawn

STEPS, LOSSES = 6, 4
"""How many queries Figure 4 and Figure 5 show."""
WINDOW = 7
"""How many patches wide the shown surroundings of a patch are."""
RIGHT, WRONG = "#0072B2", "#D55E00"


def figure_4(given: Given) -> list[Path]:
    """Write figure-4.png and .pdf: nearest patches of queries at equal steps over the split."""
    val, start, neco = _read(given)
    return drawn(lambda: draw_steps(val, start, neco, given.names), given.into, "figure-4")


def figure_5(given: Given) -> list[Path]:
    """Write figure-5.png and .pdf: the queries in which the start beats NeCo most."""
    val, start, neco = _read(given)
    return drawn(lambda: draw_losses(val, start, neco, given.names), given.into, "figure-5")


def _read(given: Given) -> tuple[Dataset, Features, Features]:
    features = given.features
    start, run = (read_features(features[f"{side}_val"]) for side in ("start", "run"))
    return given.held_out(), start, run


def draw_steps(val: Dataset, start: Features, neco: Features, names: tuple[str, str]) -> Figure:
    """Return Figure 4. start, neco: features of the split from two models, on the same grid."""
    found = retrieve(val, start, neco)
    steps = np.linspace(0, len(found.queries) - 1, min(STEPS, len(found.queries)))
    return _draw(val, start, found, np.unique(steps.round().astype(int)).tolist(), names, "")


def draw_losses(val: Dataset, start: Features, neco: Features, names: tuple[str, str]) -> Figure:
    """Return Figure 5.

    Queries are sorted by how many more of the nearest patches show the query's class with the start
    than with NeCo. Of equal ones the first in the split goes first. The figure says in how many
    queries either model is ahead.
    """
    found = retrieve(val, start, neco)
    margin = found.start.right.sum(axis=1) - found.neco.right.sum(axis=1)
    chosen = np.argsort(-margin, kind="stable")[:LOSSES].tolist()
    wins = int((margin > 0).sum())
    note = f"{names[0]} retrieves more patches of the query's class in {wins} of {len(margin)} "
    note += f"queries, {names[1]} in {int((margin < 0).sum())}."
    return _draw(val, start, found, chosen, names, note)


def _draw(
    val: Dataset,
    features: Features,
    found: Retrieved,
    chosen: list[int],
    names: tuple[str, str],
    note: str,
) -> Figure:
    count = found.start.images.shape[1]
    gap_row = 0.32
    heights = [gap_row, *[1.0] * len(chosen), gap_row, *[1.0] * len(chosen)]
    widths = [1.0, 0.15, *[1.0] * count]
    figure, axes = grid(widths, heights, across=7.0, bottom=0.36, gap=0.05)
    shape = features.tokens.shape[1:3]
    for block, (name, neighbours) in enumerate(zip(names, (found.start, found.neco), strict=True)):
        first = block * (len(chosen) + 1)
        for place in axes[first]:
            place.set_axis_off()
        style: dict[str, Any] = {"va": "bottom", "fontsize": 8}
        axes[first][0].text(0, 0.05, f"({'ab'[block]}) {name}", weight="bold", **style)
        axes[first][2].text(0, 0.05, "nearest patches, the nearest first", **style)
        for row, index in enumerate(chosen, start=first + 1):
            query = found.queries[index]
            _patch(axes[row][0], val, query.image, query.patch, shape, "#000000")
            axes[row][1].set_axis_off()
            for rank in range(count):
                colour = RIGHT if neighbours.right[index, rank] else WRONG
                image, patch = neighbours.images[index, rank], neighbours.patches[index, rank]
                _patch(axes[row][2 + rank], val, int(image), int(patch), shape, colour)
    text = "Blue frame: the patch's main class is the query's; orange, dashed: it is not. " + note
    figure.text(0.0, 0.0, text, fontsize=6.5, color=SOFT, va="bottom", wrap=True)
    return figure


def _patch(
    axes: Axes, val: Dataset, image: int, patch: int, shape: tuple[int, ...], colour: str
) -> None:
    """Draw the surroundings of a patch with the patch outlined, in a frame of `colour`."""
    side = 16
    square = val.items[image].read_image().resize((shape[1] * side, shape[0] * side))
    row, column = divmod(patch, shape[1])
    across = min(WINDOW, *shape)
    top = int(np.clip(row - across // 2, 0, shape[0] - across))
    left = int(np.clip(column - across // 2, 0, shape[1] - across))
    box = (left * side, top * side, (left + across) * side, (top + across) * side)
    show(axes, np.asarray(square.crop(box)))
    corner = ((column - left) * side - 0.5, (row - top) * side - 0.5)
    for width, ink in ((2.2, "white"), (1.0, "black")):
        axes.add_patch(Rectangle(corner, side, side, fill=False, edgecolor=ink, linewidth=width))
    frame: dict[str, Any] = {"fill": False, "edgecolor": colour, "linewidth": 2.4, "clip_on": True}
    frame["linestyle"] = (0, (2, 1)) if colour == WRONG else "-"
    axes.add_patch(Rectangle((0, 0), 1, 1, transform=axes.transAxes, **frame))
