"""The numbers of a comparison: as rows, as a table on the terminal, as CSV and JSON."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from neco.evaluate.differences import Difference, Score
from neco.files import opened_whole

COLUMNS = (
    *("dataset", "protocol", "setting", "headline", "quantity", "backbone", "baseline", "images"),
    *("seeds", "value", "value_low", "value_high"),
    *("difference", "difference_low", "difference_high", "sure", "kept"),
)
SHORT = {
    "in-context": "in-context",
    "overcluster": "clusters",
    "linear": "linear",
    "unsupervised": "unsupervised",
    "consistency": "consistency",
}


class Row(NamedTuple):
    """One number of one backbone, and how far it lies above the baseline's."""

    dataset: str
    protocol: str
    setting: str
    headline: bool
    backbone: str
    images: int
    score: Score
    difference: Difference | None
    """None of the baseline itself, and where the two cannot be compared."""
    kept: bool

    def flat(self, baseline: str, level: float) -> dict[str, Any]:
        """Return what CSV and JSON say of it."""
        low, high = self.score.interval(level)
        apart = self.difference
        ends = (None, None) if apart is None else apart.interval
        return {
            "dataset": self.dataset,
            "protocol": self.protocol,
            "setting": self.setting,
            "headline": self.headline,
            "quantity": self.score.quantity,
            "backbone": self.backbone,
            "baseline": baseline,
            "images": self.images,
            "seeds": self.score.seeds,
            "value": _rounded(self.score.value),
            "value_low": _rounded(low),
            "value_high": _rounded(high),
            "difference": None if apart is None else _rounded(apart.value),
            "difference_low": _rounded(ends[0]),
            "difference_high": _rounded(ends[1]),
            "sure": None if apart is None else apart.sure,
            "kept": self.kept,
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4) + 0.0  # no -0.0


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the rows that `Row.flat` gives, one line each."""
    with opened_whole(path, newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def title(protocol: str, setting: str) -> str:
    """Return the head of a column: `in-context 1/1`."""
    return f"{SHORT.get(protocol, protocol)} {setting}".strip()


def text(rows: Sequence[Row], level: float) -> str:
    """Return the headline numbers as a table for a terminal, one block for each dataset."""
    blocks = []
    for dataset in dict.fromkeys(row.dataset for row in rows):
        mine = [row for row in rows if row.dataset == dataset and row.headline]
        blocks.append(_block(dataset, mine))
    about = "mIoU in percent (consistency: shared neighbours)."
    if any(row.difference is not None for row in rows):
        about += (
            f" In brackets the {100 * level:g} % interval of the difference to\nthe first "
            "backbone, by paired bootstrap over images; * marks one that does not hold zero."
        )
    return "\n\n".join([*blocks, about])


def _block(dataset: str, rows: list[Row]) -> str:
    heads = list(dict.fromkeys((row.protocol, row.setting) for row in rows))
    names = list(dict.fromkeys(row.backbone for row in rows))
    cells = {(row.backbone, row.protocol, row.setting): _cell(row) for row in rows}
    grid = [[dataset, *(title(*head) for head in heads)]]
    grid += [[name, *(cells.get((name, *head), "-") for head in heads)] for name in names]
    widths = [max(len(line[column]) for line in grid) for column in range(len(grid[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
             for line in grid]  # fmt: skip
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def _cell(row: Row) -> str:
    value = f"{row.score.value:5.1f}"
    if row.difference is None:
        return value
    low, high = map(_signed, row.difference.interval)
    star = "*" if row.difference.sure else ""
    return f"{value} {_signed(row.difference.value)} [{low}, {high}]{star}"


def _signed(value: float) -> str:
    """Return points with their sign; what rounds to zero but is none keeps more digits."""
    return f"{value + 0.0:+.3f}" if 0 < abs(value) < 0.05 else f"{value + 0.0:+.1f}"
