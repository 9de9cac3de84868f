"""Figure 1: a real batch comes in, a drawing of the method comes out.

It shows views, alignment, references, sorts and loss.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from torch import Tensor
from torch.nn.functional import normalize

from neco.backbones.load import load_backbone
from neco.data.dataset import read_dataset
from neco.report.figures.given import Given
from neco.report.figures.method import Method, Side, compute
from neco.report.figures.pictures import show
from neco.report.figures.style import INK, drawn

TEACHER, STUDENT = "#0072B2", "#D55E00"
ACROSS, TALL = 7.6, 4.1
"""Width and height of the figure in inches."""


def figure_1(given: Given) -> list[Path]:
    """Write figure-1.png and .pdf from a batch of the run's training; return the paths.

    The tokens are the backbone's own. Teacher and student are equal at the start of a training, and
    the projection head, which is not trained then, is left out.
    """
    settings = given.project.training(given.run)
    backbone = load_backbone(given.shown[0], given.weights)
    method = compute(backbone, read_dataset(given.data, settings.split), settings, seed=0)
    return drawn(lambda: draw(method), given.into, "figure-1")


def draw(method: Method) -> Figure:
    """Return the figure, left to right: image, views, aligned features, distances, orders, loss."""
    figure = Figure(figsize=(ACROSS, TALL))
    size = 1.02  # inches of a square
    top, bottom, middle = TALL - size - 0.2, 0.22, (TALL - size) / 2
    x = [0.05, 1.4, 2.78, 4.08, 5.62]
    image = _square(figure, x[0], middle, size)
    _image(image, method)
    sides = ((method.teacher, top, TEACHER, "t"), (method.student, bottom, STUDENT, "s"))
    colours = _principal_colours(method.teacher.aligned, method.student.aligned)
    for (side, y, colour, letter), shades in zip(sides, colours, strict=True):
        name = {"t": "teacher", "s": "student"}[letter]
        view = _square(figure, x[1], y, size)
        _view(view, side, colour, f"view of the {name}")
        features = _square(figure, x[2], y, size)
        _aligned(features, shades, method.marked, f"aligned features $F_{letter}$", colour)
        distances = figure.add_axes(_box(x[3], y, size * 1.15, size))
        _distances(distances, side.distances, colour, letter)
        order = _square(figure, x[4], y, size)
        _order(order, side.order, colour, letter)
        _arrow(figure, (x[0] + size, middle + size / 2), (x[1], y + size / 2), colour)
        _arrow(
            figure, (x[1] + size, y + size / 2), (x[2], y + size / 2), colour, "encoder,\nRoIAlign"
        )
        _arrow(figure, (x[2] + size, y + size / 2), (x[3] - 0.16, y + size / 2), colour)
        _arrow(
            figure, (x[3] + size * 1.15, y + size / 2), (x[4] - 0.17, y + size / 2), colour, "sort"
        )
        end = (x[4] + size + 0.32, TALL / 2 + (0.17 if letter == "t" else -0.17))
        _arrow(figure, (x[4] + size, y + size / 2), end, colour)
    _ema(figure, x[1] + size / 2, bottom + size + 0.2, top - 0.02)
    _references(figure, method, x[2] + 0.1, TALL / 2 - 0.12, 0.36)
    _loss(figure, method, x[4] + size + 0.36)
    return figure


def _box(x: float, y: float, width: float, height: float) -> tuple[float, float, float, float]:
    return x / ACROSS, y / TALL, width / ACROSS, height / TALL


def _square(figure: Figure, x: float, y: float, size: float) -> Axes:
    return figure.add_axes(_box(x, y, size, size))


def _image(axes: Axes, method: Method) -> None:
    axes.imshow(method.image, aspect="equal")
    axes.set_axis_off()
    axes.set_title("image", fontsize=7, pad=3)
    for box, colour in zip(method.boxes, (TEACHER, STUDENT), strict=True):
        left, top, right, low = box
        place = ((left, top), right - left, low - top)
        outline = Rectangle(*place, fill=False, edgecolor=colour, linewidth=1.6, clip_on=False)
        axes.add_patch(outline)


def _view(axes: Axes, side: Side, colour: str, title: str) -> None:
    show(axes, side.view)
    axes.set_title(title, fontsize=7, pad=3, color=colour)
    left, top, right, bottom = side.region
    steps = round(len(side.aligned) ** 0.5)
    line: dict[str, Any] = {"color": "white", "linewidth": 0.5, "alpha": 0.9}
    for t in np.linspace(0, 1, steps + 1):
        axes.plot([left + t * (right - left)] * 2, [top, bottom], **line)
        axes.plot([left, right], [top + t * (bottom - top)] * 2, **line)
    rows, columns = side.view.shape[:2]
    axes.set_xlim(-0.5, columns - 0.5)
    axes.set_ylim(rows - 0.5, -0.5)


def _principal_colours(first: Tensor, second: Tensor) -> list[np.ndarray]:
    """Return the three principal components of both (S*S, dim) as colours (S, S, 3), in 0 to 1."""
    units = [normalize(patches, dim=-1) for patches in (first, second)]
    both = torch.cat([unit - unit.mean(dim=0) for unit in units])
    _, _, axes = torch.linalg.svd(both, full_matrices=False)
    parts = both @ axes[:3].T
    low, high = parts.amin(dim=0), parts.amax(dim=0)
    shades = ((parts - low) / (high - low).clamp(min=1e-9)).numpy()
    side = round(len(first) ** 0.5)
    return [part.reshape(side, side, 3) for part in np.split(shades, 2)]


def _aligned(axes: Axes, shades: np.ndarray, marked: int, title: str, colour: str) -> None:
    show(axes, shades)
    axes.set_title(title, fontsize=7, pad=3, color=colour)
    row, column = divmod(marked, shades.shape[1])
    corner = (column - 0.5, row - 0.5)
    axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor="white", linewidth=2.6))
    axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor="black", linewidth=1.2))


def _distances(axes: Axes, distances: Tensor, colour: str, letter: str) -> None:
    values = distances.numpy()
    axes.vlines(np.arange(len(values)), 0, values, color=colour, linewidth=0.9)
    axes.set_xlim(-1, len(values))
    axes.set_ylim(0, max(1.25, float(values.max())))
    axes.set_yticks([0, 0.5, 1])
    axes.set_xticks([])
    axes.tick_params(labelsize=5.5, length=2, pad=1)
    label = f"{len(values)} references, by the teacher's distance"
    axes.set_xlabel(label, fontsize=5.5, labelpad=5)
    axes.set_title(f"distances $D_{letter}$ of one patch", fontsize=7, pad=3, color=colour)


def _order(axes: Axes, order: Tensor, colour: str, letter: str) -> None:
    axes.imshow(order.numpy() ** 0.5, cmap="Greys", aspect="auto", interpolation="nearest", vmin=0)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color(colour)
    axes.set_title(f"soft order $Q^{letter}$", fontsize=7, pad=3, color=colour)
    axes.set_xlabel("position", fontsize=6, labelpad=2)
    axes.set_ylabel("reference", fontsize=6, labelpad=1)


def _references(figure: Figure, method: Method, x: float, y: float, size: float) -> None:
    """Draw the batch's other images with the patches that are references."""
    rows, columns = method.grid
    for number, (view, patches) in enumerate(zip(method.batch, method.references, strict=True)):
        axes = _square(figure, x + number * (size + 0.03), y, size)
        show(axes, view)
        step = view.shape[0] / rows
        for patch in patches:
            row, column = divmod(patch, columns)
            corner = (column * step - 0.5, row * step - 0.5)
            axes.add_patch(Rectangle(corner, step, step, color="#F0E442", alpha=0.85, linewidth=0))
    text = "references $F_r$: random patches (yellow) of other images, by the student"
    figure.text(x / ACROSS, (y - 0.05) / TALL, text, fontsize=6, va="top", color=INK)
    middle = x + 1.85
    _arrow(figure, (middle, y + size), (middle, y + size + 0.42), INK)
    _arrow(figure, (middle, y - 0.17), (middle, y - 0.42), INK)


def _ema(figure: Figure, x: float, low: float, high: float) -> None:
    _arrow(figure, (x, low), (x, high), INK)
    text: dict[str, Any] = {"fontsize": 6, "ha": "left", "va": "center", "color": INK}
    figure.text((x + 0.06) / ACROSS, (low + high) / 2 / TALL, "moving average\nof weights", **text)


def _loss(figure: Figure, method: Method, x: float) -> None:
    text = f"cross-\nentropy\n{method.loss:.2f}\n(floor\n{method.floor:.2f})"
    box = {"boxstyle": "round,pad=0.35", "facecolor": "#f4f5f7", "edgecolor": INK, "linewidth": 0.8}
    place = (x / ACROSS, 0.5)
    figure.text(*place, text, fontsize=7, ha="left", va="center", bbox=box)


def _arrow(
    figure: Figure,
    start: tuple[float, float],
    end: tuple[float, float],
    colour: str,
    text: str = "",
) -> None:
    shape: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 7, "linewidth": 0.9}
    points = [(x / ACROSS, y / TALL) for x, y in (start, end)]
    arrow = FancyArrowPatch(
        *points, transform=figure.transFigure, color=colour, shrinkA=2, shrinkB=2, **shape
    )
    figure.add_artist(arrow)
    if text:
        x, y = ((points[0][i] + points[1][i]) / 2 for i in (0, 1))
        place: dict[str, Any] = {"ha": "center", "va": "bottom", "fontsize": 5.5, "color": colour}
        figure.text(x, y + 0.012, text, **place)
