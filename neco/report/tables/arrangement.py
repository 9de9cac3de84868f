"""Which rows and columns a table has: its name comes in, and where each cell's number is comes out.

Nothing is read here, because the workflow asks which files a table needs before anything ran.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from neco.paper.reported import (
    DATASET_TITLES,
    NO_BACKBONE,
    Reported,
    canonical,
    of_table,
)
from neco.paper.tables import Layout, layout_of
from neco.report.scores.groups import Group, Place, slug

NOT_RUN = "not run"
REPORTED_ONLY = "reported only"


class Origin(NamedTuple):
    """Where the measured number of a cell comes from."""

    protocol: str
    setting: str
    cost: str = ""
    """The key in a model's `training` of a number that the training measured, else empty."""


@dataclass(frozen=True)
class Column:
    """One measured quantity: a dataset, a protocol and a setting."""

    group: str
    title: str
    dataset: str
    protocol: str
    setting: str
    extra: bool = False
    """Whether only this project measured it. Then it has no paper value and no difference."""

    @property
    def place(self) -> tuple[str, str, str]:
        return self.dataset, self.protocol, self.setting

    @property
    def kinds(self) -> tuple[str, ...]:
        """Return what is shown of a cell: the paper's value, the measured one, their difference."""
        return ("ours",) if self.extra else ("paper", "ours", "diff.")


@dataclass(frozen=True)
class Line:
    """One row of a table, before the numbers that were measured here are in it."""

    stub: tuple[str, ...]
    group: Group | None
    """Whose numbers stand in it; None where the project has no such model."""
    method: str = ""
    reported: Mapping[tuple[str, str, str], Reported] = field(default_factory=dict)
    """The paper's numbers by the column's place."""
    note: str = ""
    """What its cells say as long as nothing was measured here. Empty stands for `not run`."""
    extra: bool = False
    """Whether it is ours and has no counterpart in the paper."""
    released: bool = False
    """The authors' own student beside the paper's row of its method; nothing was trained here."""
    key: tuple[str, str] = ("", "")
    """(method, backbone) of the paper's row, as `canonical` writes it."""


def columns_of(layout: Layout, printed: Sequence[Reported]) -> list[Column]:
    """Return the columns that the paper prints. Those of a dataset stand side by side."""
    columns: dict[tuple[str, str, str], Column] = {}
    for row in printed:
        setting = row.setting if layout.by_setting else ""
        title = layout.titles.get(row.protocol) or setting or "mIoU"
        place = (row.dataset, row.protocol, setting)
        columns.setdefault(place, Column(DATASET_TITLES[row.dataset], title, *place))
    return by_dataset(columns.values())


def by_dataset(columns: Collection[Column]) -> list[Column]:
    """Return columns sorted by dataset, in the order in which datasets appear."""
    order = list(dict.fromkeys(column.dataset for column in columns))
    return sorted(columns, key=lambda column: order.index(column.dataset))


def origin(layout: Layout, line: Line, column: Column) -> Origin:
    """Return where the measured number of a cell is read."""
    if column.protocol in layout.costs:
        return Origin(column.protocol, "", layout.costs[column.protocol])
    other = layout.measured_as.get("", (column.protocol, column.setting))
    return Origin(*layout.measured_as.get(line.method, other))


def lines_of(layout: Layout, reported: Sequence[Reported], groups: Sequence[Group]) -> list[Line]:
    """Return every row that a table can have.

    Rows of models that only this project has are left out later, if nothing was measured.
    """
    printed = of_table(reported, layout.name)
    if layout.rows == "settings":
        return _settings(layout, printed, groups)
    return _methods(layout, printed, [group for group in groups if not group.ablations], reported)


def _methods(
    layout: Layout,
    printed: Sequence[Reported],
    groups: Sequence[Group],
    reported: Sequence[Reported],
) -> list[Line]:
    """Return the paper's rows, each with released students below it, and then our own models."""
    filling = {group.key: group for group in reversed(groups)}
    width = len(layout.stub)
    lines = []
    for method, backbone, params in dict.fromkeys(
        (r.method, r.backbone, r.params) for r in printed
    ):
        key = canonical(method, backbone)
        numbers: dict[tuple[str, str, str], Reported] = {}
        for row in printed:
            if (row.method, row.backbone) == (method, backbone):
                setting = row.setting if layout.by_setting else ""
                numbers.setdefault((row.dataset, row.protocol, setting), row)
        note = REPORTED_ONLY if method in NO_BACKBONE else ""
        stub = (method, backbone, params)[:width]
        lines.append(Line(stub, filling.get(key), method, numbers, note, key=key))
        for student in (group for group in groups if group.checked == key):
            stub = (student.of_row(method), backbone, params)[:width]
            lines.append(Line(stub, student, method, numbers, key=key, released=True))
    for group in _without_row(groups, filling, reported):
        stub = (group.short, group.label, group.params)[:width]
        lines.append(Line(stub, group, group.method, extra=True))
    return lines


def _without_row(
    groups: Sequence[Group], filling: Mapping[tuple[str, str], Group], reported: Sequence[Reported]
) -> list[Group]:
    """Return the groups that stand for no model of the paper, in whichever table it is."""
    known = {canonical(row.method, row.backbone) for row in reported}
    return [
        group
        for group in groups
        if group.checked not in known and not (group.key in known and filling[group.key] is group)
    ]


def shown_with(
    printed: Sequence[Reported], groups: Sequence[Group], reported: Sequence[Reported]
) -> list[Group]:
    """Return the groups that stand for a model in `printed`, or for none of the paper at all."""
    main = [group for group in groups if not group.ablations]
    filling = {group.key: group for group in reversed(main)}
    keys = {canonical(row.method, row.backbone) for row in printed}
    own = _without_row(main, filling, reported)
    return [
        group
        for group in main
        if group in own
        or group.checked in keys
        or (group.key in keys and filling[group.key] is group)
    ]


def _settings(layout: Layout, printed: Sequence[Reported], groups: Sequence[Group]) -> list[Line]:
    """Return a row for each setting that the paper varies, and then those that only we ran."""
    ours: dict[str, Group] = {}
    for group in groups:
        for cell in group.ablations:
            table, _, setting = cell.partition("/")
            if table == layout.name:
                ours.setdefault(setting, group)
    lines = []
    for setting in dict.fromkeys(row.setting for row in printed):
        numbers = {(r.dataset, r.protocol, ""): r for r in printed if r.setting == setting}
        lines.append(Line((setting,), ours.pop(slug(setting), None), reported=numbers))
    return lines + [Line((setting,), group, extra=True) for setting, group in ours.items()]


def places_of(name: str, groups: Sequence[Group], reported: Sequence[Reported]) -> set[Place]:
    """Return every place that a cell of a table comes from.

    Raises UserError for a table that the paper does not have.
    """
    layout = layout_of(name)
    columns = columns_of(layout, of_table(reported, name))
    return {
        Place(line.group.handle, column.dataset, origin(layout, line, column).protocol)
        for line in lines_of(layout, reported, groups)
        if line.group
        for column in columns
    }
