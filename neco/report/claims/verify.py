"""The paper's claims: tables come in, every claim in them comes out, checked with our scores.

There are four kinds. A gain says that NeCo scores higher than its start in a column. A best says
that the row which is best in the paper's column is best here. An order says that all rows that ran
have the paper's order. A value says that a cell differs from the paper's by no more than reruns do.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from neco.paper.conditions import RERUN
from neco.paper.reported import Reported
from neco.paper.tables import COSTS, LAYOUTS
from neco.report.scores.measured import Measured, Score
from neco.report.tables.arrangement import Column
from neco.report.tables.build import build_table
from neco.report.tables.cells import Cell, Row, Table, signed

Kind = Literal["gain", "best", "order", "value"]
Status = Literal["holds", "holds in some seeds", "does not hold", "another scale", "not run"]


@dataclass(frozen=True)
class Claim:
    """One thing that the paper's numbers say, and whether the numbers measured here say it too."""

    kind: Kind
    table: str
    text: str
    status: Status
    evidence: str = ""
    scaled: bool = False
    """Whether the numbers here were measured at another scale than the paper's."""


def verify(measured: Measured, reported: list[Reported]) -> list[Claim]:
    """Return every claim of every table, in the order of the tables.

    A value is judged only at the paper's scale. Gains and orders are judged at another scale too,
    and marked.
    """
    claims = []
    for layout in LAYOUTS.values():
        table = build_table(layout.name, measured, reported)
        rows = [row for row in table.rows if not row.extra and not row.gain]
        printed = [row for row in rows if not row.released]
        for index, column in enumerate(table.columns):
            if column.extra:
                continue
            if layout.claims_gains:
                claims += _gains(table, rows, index)
            if column.protocol not in COSTS:
                claims += _orders(table, printed, index)
            claims += _values(table, rows, index)
    return claims


def _place(column: Column) -> str:
    """Return the column in words."""
    protocol = {"overcluster": "clustering"}.get(column.protocol, column.protocol)
    setting = f" {column.setting}" if column.setting else ""
    return f"{column.group}, {protocol}{setting}"


def _name(row: Row) -> str:
    return " ".join(row.stub[:2])


def _gains(table: Table, rows: list[Row], index: int) -> list[Claim]:
    """Return whether NeCo differs from its start in the direction that the paper reports.

    A released student counts wherever it was evaluated.
    """
    by_key = {row.key: row for row in rows if not row.released}
    claims = []
    for row in rows:
        method, backbone = row.key
        start = by_key.get((method.removesuffix("+NeCo"), backbone))
        if not method.endswith("+NeCo") or start is None:
            continue
        after, before = row.cells[index], start.cells[index]
        if after.paper is None or before.paper is None or (row.released and not after.ours):
            continue
        gain = after.paper.number - before.paper.number
        who = "NeCo, released weights," if row.released else "NeCo"
        text = f"{who} on {_name(start)}: {signed(gain)} in {_place(table.columns[index])}"
        if after.ours is None or before.ours is None:
            claims.append(Claim("gain", table.name, text, "not run"))
            continue
        ours = after.ours.minus(before.ours)
        claims.append(
            Claim("gain", table.name, text, _sign(ours, gain), _spread(ours), bool(ours.scale))
        )
    return claims


def _sign(ours: Score, gain: float) -> Status:
    same = [value * gain > 0 for value in ours.by_seed.values()] or [ours.mean * gain > 0]
    if all(same):
        return "holds"
    return "holds in some seeds" if any(same) else "does not hold"


def _spread(ours: Score) -> str:
    std = f" ± {ours.std:.1f}" if ours.std is not None else ""
    seeds = ", ".join(signed(value) for value in ours.by_seed.values())
    return f"ours {signed(ours.mean)}{std}" + (f" ({seeds})" if len(ours.by_seed) > 1 else "")


def _orders(table: Table, rows: list[Row], index: int) -> list[Claim]:
    """Return the claims of best and order of a column.

    In a table of methods there are such claims for each size of network.
    """
    sizes: dict[str, list[Row]] = {}
    for row in rows:
        if row.cells[index].paper:
            size = row.stub[1].partition("/")[0] if len(row.stub) > 1 else ""
            sizes.setdefault(size, []).append(row)
    claims = []
    for size, members in sizes.items():
        if len(members) > 1:
            claims += _order(table, members, index, f" ({size})" if size else "")
    return claims


def _order(table: Table, rows: list[Row], index: int, size: str) -> list[Claim]:
    place = _place(table.columns[index]) + size
    paper = {_name(row): row.cells[index].paper.number for row in rows}  # type: ignore[union-attr]
    top = max(paper.values())
    best = [name for name, value in paper.items() if value == top]
    ran = {_name(row): row.cells[index].ours for row in rows if row.cells[index].ours}
    ours = {name: score.mean for name, score in ran.items() if score}
    scaled = any(score.scale for score in ran.values() if score)
    first = Claim("best", table.name, f"{' and '.join(best)} best in {place}", "not run")
    second = Claim("order", table.name, f"the rows' order in {place}", "not run")
    if len(ours) < 2:
        return [first, second]
    if any(name in ours for name in best):
        winner = max(ours, key=lambda name: ours[name])
        evidence = f"ours: {winner} {ours[winner]:.1f}, of {len(ours)} rows run"
        status: Status = "holds" if winner in best else "does not hold"
        first = Claim("best", table.name, first.text, status, evidence, scaled)
    pairs = [(a, b) for a, b in combinations(ours, 2) if paper[a] != paper[b]]
    agree = [(a, b) for a, b in pairs if (ours[a] - ours[b]) * (paper[a] - paper[b]) > 0]
    if pairs:
        status = "holds" if len(agree) == len(pairs) else "does not hold"
        evidence = f"{len(agree)} of {len(pairs)} pairs ordered as in the paper"
        second = Claim("order", table.name, second.text, status, evidence, scaled)
    return [first, second]


def _values(table: Table, rows: list[Row], index: int) -> list[Claim]:
    """Return whether each cell is the paper's, within the spread of reruns."""
    column = table.columns[index]
    claims = []
    for row in rows:
        cell = row.cells[index]
        if cell.paper is None or (row.released and not cell.ours):
            continue
        text = f"{_name(row)}: {cell.paper.text} in {_place(column)}"
        claims.append(_value(table, column, cell, text))
    return claims


def _value(table: Table, column: Column, cell: Cell, text: str) -> Claim:
    if cell.ours is None or cell.difference is None:
        return Claim("value", table.name, text, "not run", cell.note)
    evidence = f"ours {cell.ours_text} ({cell.difference_text})"
    if cell.is_scaled or column.protocol in COSTS:
        return Claim("value", table.name, text, "another scale", evidence, True)
    room = max(RERUN, 2 * (cell.ours.std or 0.0))
    status: Status = "holds" if abs(cell.difference) <= room else "does not hold"
    return Claim("value", table.name, text, status, evidence)
