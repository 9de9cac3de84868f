"""Figure 2: scores come in, curves of in-context mIoU over the share of training images come out.

They are this project's and the paper's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from textwrap import fill
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from neco.paper.figures import figure_2_numbers
from neco.paper.reported import DATASET_TITLES, Reported, canonical, read_reported
from neco.report.figures.given import Given
from neco.report.figures.style import LINES, OTHERS, SOFT, drawn
from neco.report.scores.groups import Group
from neco.report.scores.measured import Measured, read_measured
from neco.report.tables.arrangement import shown_with
from neco.report.tables.cells import Footer

DATASETS = ("pascal-voc", "ade20k")
PROTOCOL = "in-context"


def figure_2(given: Given) -> list[Path]:
    """Write figure-2.png and .pdf; return the paths."""
    measured = read_measured(given.metrics, given.groups)
    numbers, footer = read_reported(), Footer.of(given.project)
    return drawn(lambda: draw(measured, numbers, footer), given.into, "figure-2")


def draw(measured: Measured, numbers: Sequence[Reported], footer: Footer) -> Figure:
    """Return the figure: one panel for each of the paper's two datasets and each further one."""
    reported = figure_2_numbers(numbers)
    groups = shown_with(reported, measured.groups, numbers)
    extra = [key[1] for key in measured.scores if key[2] == PROTOCOL and key[1] not in DATASETS]
    datasets = [*DATASETS, *dict.fromkeys(extra)]
    figure = Figure(figsize=(1.6 + 2.7 * len(datasets), 3.0), layout="constrained")
    panels = figure.subplots(1, len(datasets), squeeze=False)[0]
    lines = _lines(groups, reported)
    shown: set[str] = set()
    for panel, dataset in zip(panels, datasets, strict=True):
        shares = _shares(dataset, measured, reported)
        _paper(panel, dataset, reported, shares)
        shown |= _ours(panel, dataset, lines, measured, shares)
        _frame(panel, dataset, shares)
    panels[0].set_ylabel("mIoU (%)")
    _legend(figure, reported, [line for line in lines if line.group.handle in shown])
    figure.supxlabel(_note(measured, footer, shown), fontsize=6.5, color=SOFT)
    return figure


@dataclass(frozen=True)
class _Line:
    """How one of our models is drawn."""

    group: Group
    method: str | None
    """The paper's name of the model; None where the paper does not have it."""
    colour: str

    @property
    def marker(self) -> str:
        if self.method is None:
            return "s"
        return "D" if self.group.is_released else "o"


def _lines(groups: list[Group], reported: list[Reported]) -> list[_Line]:
    """Return a line for each model. A released student has the colour of the paper's own."""
    names = {canonical(row.method, row.backbone): row.method for row in reported}
    free = dict(names)
    spare = cycle(OTHERS)
    lines = []
    for group in groups:
        # A second model that would fill a row of the paper is not the paper's.
        method = names.get(group.checked) if group.checked else free.pop(group.key, None)
        lines.append(_Line(group, method, LINES[method] if method else next(spare)))
    return lines


def _denominator(setting: str) -> int:
    """Return 8 for `1/8`."""
    return int(setting.partition("/")[2])


def _shares(dataset: str, measured: Measured, reported: list[Reported]) -> dict[int, int]:
    """Return the place on the axis of each denominator, the smallest share first."""
    settings = {row.setting for row in reported if row.dataset == dataset}
    settings |= set(measured.settings(dataset, PROTOCOL))
    ordered = sorted(map(_denominator, settings), reverse=True)
    return {denominator: place for place, denominator in enumerate(ordered)}


def _paper(panel: Axes, dataset: str, reported: list[Reported], shares: dict[int, int]) -> None:
    lines: dict[str, dict[int, float]] = {}
    for row in reported:
        if row.dataset == dataset:
            place = shares[_denominator(row.setting)]
            lines.setdefault(row.method, {})[place] = row.number
    for method, points in lines.items():
        x = sorted(points)
        panel.plot(x, [points[place] for place in x], **_paper_style(method), zorder=2)


def _paper_style(method: str) -> dict[str, Any]:
    hollow = {"marker": "o", "markersize": 4, "markerfacecolor": "white"}
    return {"color": LINES[method], "linestyle": (0, (4, 2)), "linewidth": 1.0, **hollow}


def _ours(
    panel: Axes, dataset: str, lines: list[_Line], measured: Measured, shares: dict[int, int]
) -> set[str]:
    """Draw our lines, and return the handles of the groups that were evaluated."""
    shown = set()
    for line in lines:
        scores = {
            shares[_denominator(setting)]: score
            for setting in measured.settings(dataset, PROTOCOL)
            if (score := measured.get(line.group, dataset, PROTOCOL, setting))
        }
        if scores:
            x = sorted(scores)
            y = [scores[place].mean for place in x]
            spread = [scores[place].std or 0.0 for place in x]
            style: dict[str, Any] = {"color": line.colour, "marker": line.marker, "markersize": 4}
            panel.errorbar(x, y, yerr=spread, capsize=2, zorder=3, **style)
            shown.add(line.group.handle)
    if not shown:
        place: dict[str, Any] = {"transform": panel.transAxes, "ha": "right", "style": "italic"}
        panel.text(0.98, 0.03, "ours: not run", color=SOFT, **place)
    return shown


def _frame(panel: Axes, dataset: str, shares: dict[int, int]) -> None:
    panel.set_title(DATASET_TITLES.get(dataset, dataset), loc="left", weight="bold")
    panel.set_xticks(list(shares.values()), [f"1/{denominator}" for denominator in shares])
    panel.set_xlabel("share of training images")
    panel.grid(axis="y", color="#e4e4e4", linewidth=0.6)
    panel.set_axisbelow(True)
    panel.set_ylim(bottom=0)


def _legend(figure: Figure, reported: list[Reported], ours: list[_Line]) -> None:
    """Draw the legend: an entry for each colour, then what the two line styles mean."""
    handles: list[Any] = []
    labels: list[str] = []
    for method in dict.fromkeys(row.method for row in reported):
        handles.append(Line2D([], [], **_paper_style(method)))
        labels.append(method)
    for line in ours:
        if line.marker != "o":
            handles.append(Line2D([], [], color=line.colour, marker=line.marker, markersize=4))
            labels.append(fill(line.group.title, 24, break_on_hyphens=False))
    keys: dict[str, dict[str, Any]] = {
        "reported by the paper": {"linestyle": (0, (4, 2)), "markerfacecolor": "white"},
        "ours": {"linestyle": "-"},
    }
    if any(line.method is None for line in ours):
        keys["ours, not in the paper"] = {"linestyle": "-", "marker": "s"}
    for label, style in keys.items():
        shape: dict[str, Any] = {"marker": "o", "markersize": 4, **style}
        handles.append(Line2D([], [], color=SOFT, **shape))
        labels.append(label)
    figure.legend(handles, labels, loc="outside right center", handlelength=2.6)


def _note(measured: Measured, footer: Footer, shown: set[str]) -> str:
    if not shown:
        return "Nothing of ours was run."
    drawn_scores = (s for k, s in measured.scores.items() if k[2] == PROTOCOL and k[0] in shown)
    scaled = any(score.scale for score in drawn_scores)
    scale = f" Ours was run at another scale: {footer.scale or 'see Table 8'}." if scaled else ""
    return f"The paper's models are ViT-S. Bars are one standard deviation.{scale}"
