"""Training curves: metrics.csv of every training comes in, one figure comes out."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from neco.report.figures.style import LINES, OTHERS, SOFT, drawn

PANELS = (
    ("excess", "excess over the entropy floor"),
    ("loss", "loss (dotted: its floor)"),
    ("head_rank", "effective rank (dotted: backbone)"),
    ("information", "what the targets say (0: nothing)"),
)
COMPANIONS = {"loss": "floor", "head_rank": "backbone_rank"}
"""The quantity that is drawn dotted in the panel of another one."""


@dataclass(frozen=True)
class Curve:
    """One training."""

    run: str
    name: str
    """`<run>.seed<n>`"""
    columns: dict[str, list[float]]
    """The columns of its metrics.csv."""


def read_curve(run: str, path: Path) -> Curve | None:
    """Return the curve of one metrics.csv, or None where it holds no step.

    Cells that are empty or no number become NaN, because a report shows what there is.
    """
    if not path.exists():
        return None
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or "step" not in rows[0]:
        return None
    names = [name for name in rows[0] if name]
    columns = {name: [_number(row.get(name)) for row in rows] for name in names}
    return Curve(run, path.parent.name, columns)


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan


def write_curves(curves: Sequence[Curve], into: Path) -> list[Path]:
    """Write curves.png and .pdf, with a panel for each quantity and a colour for each run."""
    return drawn(lambda: draw(curves), into, "curves")


def draw(curves: Sequence[Curve]) -> Figure:
    """Return the figure. Panels without data say so."""
    palette = (LINES["NeCo"], LINES["DINOv2R"], *OTHERS)
    runs = list(dict.fromkeys(curve.run for curve in curves))
    colours = {run: palette[index % len(palette)] for index, run in enumerate(runs)}
    figure = Figure(figsize=(7.0, 4.2), layout="constrained")
    for panel, (name, title) in zip(figure.subplots(2, 2).flat, PANELS, strict=True):
        _panel(panel, curves, colours, name)
        panel.set_title(title, loc="left", weight="bold")
        panel.set_xlabel("step")
    handles = [Line2D([], [], color=colour, label=run) for run, colour in colours.items()]
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)))
    return figure


def _panel(panel: Axes, curves: Sequence[Curve], colours: dict[str, str], name: str) -> None:
    any_drawn = False
    for curve in curves:
        if name not in curve.columns:
            continue
        any_drawn = True
        steps, colour = curve.columns["step"], colours[curve.run]
        panel.plot(steps, curve.columns[name], color=colour, linewidth=0.9, alpha=0.85)
        companion = curve.columns.get(COMPANIONS.get(name, ""))
        if companion is not None:
            panel.plot(steps, companion, color=colour, linewidth=0.8, linestyle=":")
    if any_drawn:
        panel.grid(axis="y", color="#e4e4e4", linewidth=0.6)
        panel.set_axisbelow(True)
    else:
        middle: dict[str, Any] = {"x": 0.5, "y": 0.5, "transform": panel.transAxes, "ha": "center"}
        panel.text(s="not recorded", color=SOFT, style="italic", **middle)
