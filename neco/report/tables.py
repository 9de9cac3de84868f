"""Tables: paper value, ours, difference, for every cell; a cell that did not run says so."""

from pathlib import Path

from neco.report.cells import REPORTED_ONLY, Cell, Column, Footer, Row, Table
from neco.report.layout import ABLATION_FRACTION, LAYOUTS, PROTOCOL_TITLES, Layout, layout_of
from neco.report.measured import Measured, Score, read_measured
from neco.report.models import Group, slug
from neco.report.render import write
from neco.report.reported import (
    DATASET_TITLES,
    NO_BACKBONE,
    REPORTED,
    Reported,
    canonical,
    of_table,
    read_reported,
)

TABLES = tuple(LAYOUTS)
COST = {
    "train-hours": "gpu_hours",
    "epochs": "epochs",
    "batch-size": "batch_size",
    "epoch-time-min:sec": "epoch_minutes",
}
"""Columns that training itself measures: paper's name -> key of the model's `training`."""
CLOCK = {"10": {"train-hours": "hours"}}
"""Tables whose column is another quantity: Table 10's hours are its epochs times its epoch time,
on eight GPUs together, where Table 9d's are GPU-hours."""


def write_table(
    name: str,
    metrics: Path,
    models: Path,
    into: Path,
    footer: Footer,
    reported: Path = REPORTED,
) -> list[Path]:
    """Write table-<name>.csv, .md, .tex and .html to `into`; return the paths."""
    table = build_table(name, read_measured(metrics, models), read_reported(reported), footer)
    return write(table, into)


def build_table(
    name: str, measured: Measured, reported: list[Reported], footer: Footer | None = None
) -> Table:
    """Return one table of the paper with our scores beside its numbers.

    Raises UserError for a table that the paper does not have.
    """
    layout = layout_of(name)
    printed = of_table(reported, name)
    by_settings = layout.rows == "settings"
    columns = _columns(layout, printed, measured)
    rows = _setting_rows if by_settings else _method_rows
    table = Table(name, layout.title, layout.caption, layout.stub, columns)
    table.rows = rows(layout, printed, columns, measured)
    table.footer = (footer or Footer()).completed(measured.commits, measured.date)
    return table


def _columns(layout: Layout, printed: list[Reported], measured: Measured) -> list[Column]:
    """Return the paper's columns, then settings of the same datasets that only we measured."""
    columns: dict[tuple[str, str, str], Column] = {}
    for row in printed:
        setting = "" if layout.rows == "settings" else row.setting
        if layout.name in ("6", "10"):
            setting = ""
        title = PROTOCOL_TITLES.get(row.protocol, "mIoU")
        if row.protocol in ("overcluster", "in-context") and setting:
            title = setting
        if layout.name == "2" or layout.name == "4":
            title = "mIoU"
        if row.protocol in CLOCK.get(layout.name, {}):
            title = "Hours"
        place = (row.dataset, row.protocol, setting)
        columns.setdefault(place, Column(DATASET_TITLES[row.dataset], title, *place))
    if layout.name in ("1a", "2", "4", "7", "8"):
        for dataset, protocol in dict.fromkeys(key[:2] for key in columns):
            for setting in measured.settings(dataset, protocol):
                place = (dataset, protocol, setting)
                title = f"{setting} (ours only)"
                extra = Column(DATASET_TITLES[dataset], title, *place, extra=True)
                columns.setdefault(place, extra)
    datasets = list(dict.fromkeys(key[0] for key in columns))
    return sorted(columns.values(), key=lambda column: datasets.index(column.dataset))


def _method_rows(
    layout: Layout, printed: list[Reported], columns: list[Column], measured: Measured
) -> list[Row]:
    groups = [group for group in measured.groups if not group.ablations]
    places = list(dict.fromkeys((row.method, row.backbone, row.params) for row in printed))
    shown: list[Group] = []
    rows: list[Row] = []
    for method, backbone, params in places:
        group = next((g for g in groups if g.key == canonical(method, backbone)), None)
        if group:
            shown.append(group)
        cells = []
        for column in columns:
            paper = _printed(printed, method, backbone, column)
            score = _score(layout, method, group, column, measured)
            cells.append(Cell(paper, score, REPORTED_ONLY if method in NO_BACKBONE else ""))
        key = canonical(method, backbone)
        rows.append(Row((method, backbone, params)[: len(layout.stub)], cells, key=key))
        for student in (g for g in groups if g.checked == key):
            cells = [
                Cell(
                    _printed(printed, method, backbone, column),
                    _score(layout, method, student, column, measured),
                    REPORTED_ONLY if column.protocol in COST else "",
                )
                for column in columns
            ]
            shown.append(student)
            if any(cell.ours for cell in cells):
                stub = (student.of_row(method), backbone, params)[: len(layout.stub)]
                rows.append(Row(stub, cells, key=key, released=True))
    if layout.gains:
        rows = _with_gains(rows)
    for group in groups:
        cells = [
            Cell(None, _score(layout, group.method, group, column, measured)) for column in columns
        ]
        if group not in shown and any(cell.ours for cell in cells):
            stub = (group.short, group.label, group.params)[: len(layout.stub)]
            rows.append(Row(stub, cells, extra=True))
    return rows


def _printed(
    printed: list[Reported], method: str, backbone: str, column: Column
) -> Reported | None:
    for row in printed:
        same = (row.method, row.backbone, row.dataset, row.protocol)
        if same == (method, backbone, column.dataset, column.protocol) and (
            not column.setting or row.setting == column.setting
        ):
            return row
    return None


def _score(
    layout: Layout, method: str, group: Group | None, column: Column, measured: Measured
) -> Score | None:
    if group is None:
        return None
    dataset, protocol, setting = column.dataset, column.protocol, column.setting
    if protocol in COST:
        return _cost(group, CLOCK.get(layout.name, COST).get(protocol, COST[protocol]))
    if layout.name == "6":
        # the first two rows are plain clustering; CBFE and CD are the unsupervised protocol
        protocol, setting = {
            "+CBFE": ("unsupervised", "CBFE"),
            "+CD": ("unsupervised", "K=21"),
        }.get(method, ("overcluster", "K=GT"))
    return measured.get(group, dataset, protocol, setting)


def _cost(group: Group, key: str) -> Score | None:
    """Return what a training took; None before it ran, also for what the settings ask of it."""
    value = group.training.get(key)
    if value is None and key == "gpu_hours":  # recorded since trainings know their processes
        value = group.training.get("hours")
    if "hours" not in group.training or not isinstance(value, int | float):
        return None
    device = group.training.get("device") or "this project's hardware"
    starts = group.training.get("starts") or 1
    resumed = f", {starts} starts together" if starts > 1 else ""
    return Score(float(value), None, {}, "", (f"trained on {device}{resumed}",))


def _with_gains(rows: list[Row]) -> list[Row]:
    """Return start, NeCo and gain rows, three by three."""
    by_key = {row.key: row for row in rows if not row.released}
    result = []
    for row in rows:
        result.append(row)
        start = by_key.get((row.key[0].removesuffix("+NeCo"), row.key[1]))
        if start is not None and start is not row:
            cells = [
                after.minus(before) for after, before in zip(row.cells, start.cells, strict=True)
            ]
            result.append(Row(("gain", *row.stub[1:]), cells, gain=True))
    return result


def _setting_rows(
    layout: Layout, printed: list[Reported], columns: list[Column], measured: Measured
) -> list[Row]:
    settings = list(dict.fromkeys(row.setting for row in printed))
    ours: dict[str, Group] = {}
    for candidate in measured.groups:
        for cell in candidate.ablations:
            table, _, setting = cell.partition("/")
            if table == layout.name:
                ours.setdefault(setting, candidate)
    rows = []
    for setting in settings:
        group = ours.pop(slug(setting)) if slug(setting) in ours else None
        cells = []
        for column in columns:
            place = (setting, column.dataset, column.protocol)
            paper = next(r for r in printed if (r.setting, r.dataset, r.protocol) == place)
            cells.append(Cell(paper, _ablation_score(group, column, measured)))
        rows.append(Row((setting,), cells))
    for setting, other in ours.items():
        cells = [Cell(None, _ablation_score(other, column, measured)) for column in columns]
        rows.append(Row((setting,), cells, extra=True))
    return rows


def _ablation_score(group: Group | None, column: Column, measured: Measured) -> Score | None:
    """Return the score at 1/128; where that is too few images, at the smallest share, marked."""
    if group is None:
        return None
    if column.protocol in COST:
        return _cost(group, COST[column.protocol])
    if column.protocol != "in-context":
        return measured.get(group, column.dataset, column.protocol, "")
    exact = measured.get(group, column.dataset, column.protocol, ABLATION_FRACTION)
    if exact:
        return exact
    shares = [
        setting
        for setting in measured.settings(column.dataset, column.protocol)
        if measured.get(group, column.dataset, column.protocol, setting)
    ]
    if not shares:
        return None
    share = max(shares, key=lambda text: int(text.partition("/")[2]))
    score = measured.get(group, column.dataset, column.protocol, share)
    return score and score.marked(f"{share} of the training images (paper {ABLATION_FRACTION})")
