"""How far every model lies above one of them, with paired bootstrap intervals over images."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from neco.config.compare import Compare
from neco.evaluate.differences import Difference, Score, comparable, difference, scores
from neco.evaluate.per_image import PerImage
from neco.evaluate.result import Metrics, parts_beside
from neco.paper.reported import DATASET_TITLES
from neco.report.scores.groups import Group, Place
from neco.report.scores.measured import Measured
from neco.report.tables.cells import signed


@dataclass(frozen=True)
class Quantity:
    """A column: one dataset, protocol and setting."""

    dataset: str
    protocol: str
    setting: str

    @property
    def title(self) -> str:
        setting = f" {self.setting}" if self.setting else ""
        return f"{DATASET_TITLES.get(self.dataset, self.dataset)} {self.protocol}{setting}"


@dataclass
class Paired:
    """Differences of models to one of them, the baseline."""

    baseline: Group
    level: float
    """Share of the draws that an interval holds."""
    found: dict[tuple[str, Quantity], Difference] = field(default_factory=dict)
    """By handle of the model and quantity."""
    lacking: list[str] = field(default_factory=list)
    """What has no difference and why, in words."""

    def text(self, group: Group, quantity: Quantity) -> str:
        """Return `+1.2 [+0.3, +2.1]*`, empty where there is no difference."""
        apart = self.found.get((group.handle, quantity))
        if apart is None:
            return ""
        low, high = map(signed, apart.interval)
        return f"{signed(apart.value)} [{low}, {high}]{'*' * apart.sure}"

    def note(self) -> str:
        """Return what the brackets mean."""
        return (
            f"With a number stands how far it lies above that of {self.baseline.title}, in points, "
            f"with its {100 * self.level:g} % interval by paired bootstrap over images; * marks an "
            "interval that does not hold zero."
        )

    def sentences(self, groups: Sequence[Group]) -> list[str]:
        """Return for every model how often it is above the baseline, and what is lacking."""
        told = []
        for group in groups:
            own = [apart for (other, _), apart in self.found.items() if other == group.handle]
            if not own:
                continue
            above, sure = sum(a.value > 0 for a in own), sum(a.sure for a in own)
            told.append(
                f"{group.title} is above {self.baseline.title} in {above} of {len(own)} numbers; "
                f"{sure} of the {len(own)} intervals do not hold zero."
            )
        return told + self.lacking


@dataclass(frozen=True)
class _Kept:
    """One metrics file and what its numbers are made of."""

    metrics: Metrics
    parts: list[PerImage]


def paired(
    measured: Measured, against: str, quantities: Sequence[Quantity], settings: Compare
) -> Paired | None:
    """Return the differences of every model to the model `against`, None where it is not there."""
    baseline = next((group for group in measured.groups if group.name == against), None)
    if baseline is None:
        return None
    paired = Paired(baseline, settings.level)
    bare: set[str] = set()
    for quantity in quantities:
        first = _kept(measured, baseline, quantity, bare)
        base = _score(first, quantity, settings)
        for group in measured.groups:
            if group is baseline or group.ablations:
                continue
            own = _kept(measured, group, quantity, bare)
            score = _score(own, quantity, settings)
            if base is None or score is None:
                continue
            forbidden = comparable(own[0], first[0])
            if forbidden:
                paired.lacking.append(
                    f"{group.title}, {quantity.title}: no difference to {baseline.title}: "
                    f"{forbidden}."
                )
                continue
            apart = difference(score, base, settings.level)
            paired.found[group.handle, quantity] = apart
    if bare:
        paired.lacking.append(
            f"No intervals of {', '.join(sorted(bare))}: no results of single images lie beside "
            "the metrics. For metrics of an earlier version, delete them and evaluate again."
        )
    return paired


def _kept(measured: Measured, group: Group, quantity: Quantity, bare: set[str]) -> list[_Kept]:
    """Return the metrics of all seeds of a model; those without parts are named in `bare`."""
    files = measured.files.get(Place(group.handle, quantity.dataset, quantity.protocol), {})
    found = []
    for path, metrics in files.values():
        parts = parts_beside(path, metrics)
        if parts is None:
            bare.add(f"{group.title} by {quantity.protocol}")
        else:
            found.append(_Kept(metrics, parts))
    return found if len(found) == len(files) else []


def _score(kept: list[_Kept], quantity: Quantity, settings: Compare) -> Score | None:
    """Return the mean over the seeds of a model, which are all given the same draws."""
    known = [
        score
        for one in kept
        for score in scores(one, settings.replicas, settings.seed, quantity.setting).values()
    ]
    if not known:
        return None
    return Score(
        float(np.mean([score.value for score in known])),
        np.mean([score.draws for score in known], axis=0),
        sum(score.seeds for score in known),
        known[0].quantity,
    )
