"""The files that a figure is drawn from: paths come in, opened datasets and names come out.

neco/report/needs.py says before anything ran which files these are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from neco.backbones.registry import named
from neco.config import Project
from neco.config.datasets import DatasetSplits
from neco.data.dataset import Dataset, read_dataset
from neco.errors import UserError
from neco.report.needs import shown_dataset
from neco.report.scores.groups import Group


@dataclass(frozen=True)
class Given:
    """What one figure is drawn from, where it is drawn to, and the project that asks for it."""

    project: Project
    into: Path
    groups: Sequence[Group] = ()
    metrics: Path = Path()
    data: Path = Path()
    """The prepared dataset whose images are shown."""
    weights: Path | None = None
    """The start's weights; None for a backbone that needs no file."""
    maps: tuple[Path, ...] = ()
    features: dict[str, Path] = field(default_factory=dict)

    @property
    def shown(self) -> tuple[str, str]:
        """Return the start and the run's model that are compared. Raises UserError without a
        run."""
        shown = self.project.pictured()
        if shown is None:
            raise UserError(
                "this figure compares a run with its start, and the configuration has no run; add "
                "one"
            )
        return shown

    @property
    def run(self) -> str:
        """Return the name of the run."""
        return self.shown[1].rpartition(".seed")[0]

    @property
    def names(self) -> tuple[str, str]:
        """Return what a figure calls the start and the run."""
        run = self.project.runs[self.run]
        return named(self.shown[0]).method, run.method

    @property
    def dataset(self) -> str:
        """Return the name of the dataset whose held-out images are shown."""
        return shown_dataset(self.project)

    def labelled(self, part: str) -> Dataset:
        """Return the shown dataset's images that serve as `train` or `val`."""
        splits = self.project.datasets.get(self.dataset, DatasetSplits())
        return read_dataset(self.data, getattr(splits, part))

    def held_out(self) -> Dataset:
        """Return the held-out images that figures show."""
        return self.labelled("val")
