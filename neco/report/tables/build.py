"""A table of the paper: scores come in, the table with the paper's value, ours and the
difference comes out.

A cell that did not run says so.
"""

from collections.abc import Sequence
from pathlib import Path

from neco.paper.conditions import ABLATION_FRACTION
from neco.paper.reported import DATASET_TITLES, Reported, of_table, read_reported
from neco.paper.tables import COSTS, Layout, layout_of
from neco.report.scores.groups import Group
from neco.report.scores.measured import Measured, Score, read_measured
from neco.report.tables.arrangement import (
    REPORTED_ONLY,
    Column,
    Line,
    by_dataset,
    columns_of,
    lines_of,
    origin,
    places_of,
)
from neco.report.tables.cells import Cell, Footer, Row, Table
from neco.report.tables.render import write


def write_table(
    name: str,
    metrics: Path,
    groups: Sequence[Group],
    into: Path,
    footer: Footer,
) -> list[Path]:
    """Write table-<name>.csv, .md, .tex and .html to `into`, and return the paths.

    Only the metrics that its cells come from are read. Raises UserError for a table that the paper
    does not have, and for a broken metrics file.
    """
    numbers = read_reported()
    measured = read_measured(metrics, groups, places_of(name, groups, numbers))
    return write(build_table(name, measured, numbers, footer), into)


def build_table(
    name: str, measured: Measured, reported: list[Reported], footer: Footer | None = None
) -> Table:
    """Return one table of the paper with our scores beside its numbers.

    Raises UserError for a table that the paper does not have.
    """
    layout = layout_of(name)
    columns = columns_of(layout, of_table(reported, name))
    if layout.own_settings:
        columns = _with_own_settings(columns, measured)
    table = Table(name, layout.title, layout.caption, layout.stub, columns)
    for line in lines_of(layout, reported, measured.groups):
        cells = [_cell(layout, line, column, measured) for column in columns]
        ours_alone = line.released or (line.extra and layout.rows == "methods")
        if not ours_alone or any(cell.ours for cell in cells):
            table.rows.append(Row(line.stub, cells, line.extra, False, line.released, line.key))
    if layout.gains:
        table.rows = _with_gains(table.rows)
    table.footer = (footer or Footer()).completed(measured.commits, measured.date)
    return table


def _with_own_settings(columns: list[Column], measured: Measured) -> list[Column]:
    """Return the paper's columns and settings of the same datasets that only we measured."""
    every = {column.place: column for column in columns}
    for dataset, protocol in dict.fromkeys(place[:2] for place in every):
        for setting in measured.settings(dataset, protocol):
            place = (dataset, protocol, setting)
            title = f"{setting} (ours only)"
            every.setdefault(place, Column(DATASET_TITLES[dataset], title, *place, extra=True))
    return by_dataset(list(every.values()))


def _cell(layout: Layout, line: Line, column: Column, measured: Measured) -> Cell:
    note = line.note
    if line.released and column.protocol in COSTS:
        note = REPORTED_ONLY
    score = None
    if line.group:
        score = _score(layout, line, line.group, column, measured)
    return Cell(line.reported.get(column.place), score, note)


def _score(
    layout: Layout, line: Line, group: Group, column: Column, measured: Measured
) -> Score | None:
    protocol, setting, cost = origin(layout, line, column)
    if cost:
        return _cost(group, cost)
    if layout.rows == "settings" and protocol == "in-context":
        return _smallest_share(group, column.dataset, measured)
    return measured.get(group, column.dataset, protocol, setting)


def _cost(group: Group, key: str) -> Score | None:
    """Return what a training took. Before it ran that is None, whatever the settings say."""
    value = group.training.get(key)
    if value is None and key == "gpu_hours":  # older trainings do not state their processes
        value = group.training.get("hours")
    if "hours" not in group.training or not isinstance(value, int | float):
        return None
    device = group.training.get("device") or "this project's hardware"
    starts = group.training.get("starts") or 1
    resumed = f", {starts} starts together" if starts > 1 else ""
    return Score(float(value), None, {}, "", (f"trained on {device}{resumed}",))


def _with_gains(rows: list[Row]) -> list[Row]:
    """Return the rows with a row of gains after each NeCo row whose start is there."""
    by_key = {row.key: row for row in rows if not (row.released or row.extra)}
    result = []
    for row in rows:
        result.append(row)
        if row.extra:
            continue
        start = by_key.get((row.key[0].removesuffix("+NeCo"), row.key[1]))
        if start is not None and start is not row:
            cells = [
                after.minus(before) for after, before in zip(row.cells, start.cells, strict=True)
            ]
            result.append(Row(("gain", *row.stub[1:]), cells, gain=True))
    return result


def _smallest_share(group: Group, dataset: str, measured: Measured) -> Score | None:
    """Return the score at 1/128. Where it is missing, return that at the smallest share, marked."""
    found = {
        setting: score
        for setting in measured.settings(dataset, "in-context")
        if (score := measured.get(group, dataset, "in-context", setting))
    }
    if not found or ABLATION_FRACTION in found:
        return found.get(ABLATION_FRACTION)
    share = max(found, key=lambda text: int(text.partition("/")[2]))
    return found[share].marked(f"{share} of the training images (paper {ABLATION_FRACTION})")
