"""A table before it is written: its cells have the paper's value and ours, and never mix them."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from neco.config import Project
from neco.paper.reported import Reported
from neco.report.scores.measured import Score
from neco.report.tables.arrangement import NOT_RUN, REPORTED_ONLY, Column

NOT_REPORTED = "–"
MARK = "†"
RELEASED_NOTE = (
    '"Released weights" rows are students that the authors of the paper published, evaluated here '
    "and held against the paper's row above; the cells count does not have them."
)


def _configfile(project: str) -> str:
    """Return the argument that names the configuration of a project.

    One that does not ship may lie anywhere; the workflow has written it whole beside the results.
    """
    if project == Project().name:
        return ""
    ships = (Path("config") / f"{project}.yaml").is_file()
    file = f"config/{project}.yaml" if ships else f"results/{project}/project.yaml"
    return f" --configfile {file}"


@dataclass(frozen=True)
class Footer:
    """What stands below a table: where the measured numbers come from."""

    project: str = ""
    scale: str = ""
    """In words: `600 generated scenes of 128 pixels` or `the paper's`."""
    command: str = ""
    commit: str = ""
    """The commit that measured. Where it is empty, it is taken from metrics files."""
    date: str = ""
    """The same for the day and time."""

    @classmethod
    def of(cls, project: Project) -> "Footer":
        """Return the footer of a project, with the command that runs it."""
        command = f"snakemake --cores all{_configfile(project.name)}"
        scale = "the official archives"
        if project.scenes is not None:
            scenes = project.scenes
            scale = (
                f"{scenes.train} training and {scenes.val} held-out generated scenes of "
                f"{scenes.width} x {scenes.height} pixels"
            )
        elif project.mirror is not None:
            scale = "the archives of a mirror, whole or cut: image counts stand beside every number"
            command += " --config mirror=..."
        return cls(project=project.name, scale=scale, command=command)

    def completed(self, commits: list[str], date: str) -> "Footer":
        """Return this footer with the commit and date of the metrics files."""
        return replace(self, commit=self.commit or ", ".join(commits), date=self.date or date)

    def lines(self) -> list[str]:
        """Return `name: value` for readers, one line each."""
        missing = "no metrics yet"
        values = {
            "Project": self.project,
            "Scale": self.scale,
            "Command": self.command,
            "Commit": self.commit or missing,
            "Newest metrics": self.date or missing,
        }
        return [f"{name}: {value}" for name, value in values.items() if value]


@dataclass(frozen=True)
class Cell:
    """The paper's value, the one measured here, and why either is missing."""

    paper: Reported | None
    ours: Score | None
    note: str = ""
    """`reported only` where no backbone was published."""
    paper_gain: float | None = None
    """In a row of gains, the difference of two reported numbers."""

    @property
    def is_scaled(self) -> bool:
        """Whether ours was measured at another scale than the paper's."""
        return bool(self.ours and self.ours.scale)

    @property
    def status(self) -> str:
        """`run`, `other scale`, `reported only` or `not run`."""
        if self.ours is None:
            return self.note or NOT_RUN
        return "other scale" if self.is_scaled else "run"

    @property
    def paper_text(self) -> str:
        """The value as printed; a gain with its sign; a dash where the paper has none."""
        if self.paper_gain is not None:
            return signed(self.paper_gain)
        return self.paper.text if self.paper else NOT_REPORTED

    @property
    def ours_text(self) -> str:
        """`78.2 ± 0.3†`, or why there is no value."""
        if self.ours is None:
            return self.note or NOT_RUN
        value = signed(self.ours.mean) if self.paper_gain is not None else f"{self.ours.mean:.1f}"
        spread = f" ± {self.ours.std:.1f}" if self.ours.std is not None else ""
        return value + spread + MARK * self.is_scaled

    @property
    def difference(self) -> float | None:
        """Ours minus the paper's; None where either is missing."""
        if self.ours is None or (self.paper is None and self.paper_gain is None):
            return None
        reported = self.paper.number if self.paper else self.paper_gain
        return self.ours.mean - (reported or 0.0)

    @property
    def difference_text(self) -> str:
        """The difference with its sign and mark, or a dash."""
        if self.difference is None:
            return NOT_REPORTED
        return signed(self.difference) + MARK * self.is_scaled

    def texts(self, kinds: tuple[str, ...]) -> list[str]:
        """Return the texts of a column's `kinds`."""
        texts = {"paper": self.paper_text, "ours": self.ours_text, "diff.": self.difference_text}
        return [texts[kind] for kind in kinds]

    def minus(self, start: "Cell") -> "Cell":
        """Return the gain of this cell over `start`."""
        gain = None
        if self.paper and start.paper:
            gain = self.paper.number - start.paper.number
        ours = self.ours.minus(start.ours) if self.ours and start.ours else None
        return Cell(None, ours, self.note, paper_gain=gain)


@dataclass(frozen=True)
class Row:
    """One model or setting."""

    stub: tuple[str, ...]
    cells: list[Cell]
    extra: bool = False
    """Ours without a counterpart in the paper."""
    gain: bool = False
    released: bool = False
    """The authors' own student beside the paper's row of its method; nothing was trained here."""
    key: tuple[str, str] = ("", "")
    """(method, backbone) of the paper's row, as `canonical` writes it."""


@dataclass
class Table:
    """One table of the paper with the numbers measured here beside its own."""

    name: str
    title: str
    caption: str
    stub: tuple[str, ...]
    columns: list[Column]
    rows: list[Row] = field(default_factory=list)
    footer: Footer = field(default_factory=Footer)

    @property
    def blocks(self) -> list[list[int]]:
        """The indices of columns that stand side by side: all, or those of a dataset if many."""
        if len(self.columns) <= 4:
            return [list(range(len(self.columns)))]
        blocks: dict[str, list[int]] = {}
        for index, column in enumerate(self.columns):
            blocks.setdefault(column.group, []).append(index)
        return list(blocks.values())

    @property
    def counts(self) -> dict[str, int]:
        """How many of the paper's cells are `run`, `other scale`, `not run`, `reported only`."""
        counts = {"run": 0, "other scale": 0, NOT_RUN: 0, REPORTED_ONLY: 0}
        for row in self.rows:
            if not (row.extra or row.gain or row.released):
                for cell in row.cells:
                    if cell.paper:
                        counts[cell.status] += 1
        return counts

    def notes(self) -> list[str]:
        """Return the notes below the table: counts, the scale of marked cells, and spreads."""
        counts = ", ".join(f"{count} {name}" for name, count in self.counts.items() if count)
        notes = [f"Cells of the paper: {counts}."]
        if any(row.released for row in self.rows):
            notes.append(RELEASED_NOTE)
        scaled: dict[str, dict[str, None]] = {}
        spreads: dict[str, None] = {}
        for row in self.rows:
            for column, cell in zip(self.columns, row.cells, strict=True):
                if cell.ours and cell.ours.scale:
                    where = f"{column.group}, {column.protocol}"
                    scaled.setdefault(where, {}).update(dict.fromkeys(cell.ours.scale))
                if cell.ours and cell.ours.spread:
                    spreads[cell.ours.spread] = None
        for where, why in scaled.items():
            notes.append(f"{MARK} {where}, run at another scale: {'; '.join(why)}.")
        if spreads:
            notes.append(f"± is the sample standard deviation over {' or '.join(spreads)}.")
        return notes


def signed(value: float) -> str:
    """Return a number with its sign and one decimal. It is never `-0.0`."""
    return f"{round(value, 1) + 0.0:+.1f}"
