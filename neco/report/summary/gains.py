"""Gains: scores come in, each model's headline scores and what runs gain over starts come out."""

from dataclasses import dataclass

from neco.config.compare import Compare
from neco.evaluate.protocol import PROTOCOLS
from neco.paper.reported import DATASET_TITLES
from neco.report.scores.groups import Group
from neco.report.scores.measured import Measured, Score
from neco.report.summary.paired import Paired, Quantity, paired
from neco.report.tables.cells import Footer, signed

FLOORS = ("random", "colour")
"""Parts of the names of models over which any start has to score higher."""


@dataclass(frozen=True)
class Gain:
    """A run, or a released student, against its starting backbone in one quantity."""

    run: Group
    start: Group
    quantity: Quantity
    score: Score
    """The difference, by training seed."""

    @property
    def wins(self) -> int:
        """Return in how many seeds the run is better than its start."""
        return sum(value > 0 for value in self.score.by_seed.values())

    @property
    def sentence(self) -> str:
        """Return in words whether NeCo beats its start."""
        seeds = len(self.score.by_seed)
        verdict = {seeds: "beats its start", 0: "does not beat its start"}.get(
            self.wins, "beats its start in some seeds only"
        )
        each = ", ".join(signed(value) for value in self.score.by_seed.values())
        spread = f" ± {self.score.std:.1f}" if self.score.std is not None else ""
        return (
            f"{self.run.title} {verdict} in {self.quantity.title}: better in {self.wins} of "
            f"{seeds} seed{'s' * (seeds != 1)}, gain {signed(self.score.mean)}{spread} ({each})."
        )


@dataclass
class Overview:
    """Models by quantities, and the gains of the runs."""

    quantities: list[Quantity]
    rows: list[tuple[Group, list[Score | None]]]
    gains: list[Gain]
    fairness: list[str]
    """Whether each start is above random weights and patch colours, in words."""
    footer: Footer
    paired: Paired | None = None
    """Differences to one model; None where none were asked for."""


def build_overview(
    measured: Measured,
    footer: Footer | None = None,
    against: str | None = None,
    settings: Compare | None = None,
) -> Overview:
    """Return the headline scores of every model, and gains over the start where it has one.

    against: name of the model that others are compared with, by the draws of `settings`.
    Headline settings are in-context with all training images, overclustering with the most
    clusters, and linear at 100x100. Runs that are cells of an ablation are left out.
    """
    quantities = _quantities(measured)
    groups = [group for group in measured.groups if not group.ablations]
    groups.sort(key=_order)
    rows = [(group, [_score(measured, group, q) for q in quantities]) for group in groups]
    gains = []
    for group in groups:
        start = measured.start_of(group)
        for quantity in quantities if start else []:
            after = _score(measured, group, quantity)
            before = start and _score(measured, start, quantity)
            if start and after and before:
                gains.append(Gain(group, start, quantity, after.minus(before)))
    return Overview(
        quantities=quantities,
        rows=[row for row in rows if any(row[1])],
        gains=gains,
        fairness=_fairness(measured, groups, quantities),
        footer=(footer or Footer()).completed(measured.commits, measured.date),
        paired=paired(measured, against, quantities, settings or Compare()) if against else None,
    )


def _order(group: Group) -> int:
    """Return the place of a group: floors, then backbones, then released students, then runs."""
    if group.is_run:
        return 3
    return 2 if group.is_released else int(not _is_floor(group))


def _is_floor(group: Group) -> bool:
    name = f"{group.name} {group.method}".lower()
    return not group.is_run and any(floor in name for floor in FLOORS)


def _score(measured: Measured, group: Group, quantity: Quantity) -> Score | None:
    return measured.get(group, quantity.dataset, quantity.protocol, quantity.setting)


def _dataset(name: str) -> tuple[int, str]:
    """Return the place of a dataset: the paper's in its order, then others by name."""
    known = list(DATASET_TITLES)
    return (known.index(name) if name in known else len(known), name)


def _quantities(measured: Measured) -> list[Quantity]:
    found = []
    places = sorted({key[1:3] for key in measured.scores}, key=lambda place: _dataset(place[0]))
    for protocol in PROTOCOLS:
        for dataset, _ in (place for place in places if place[1] == protocol):
            settings = measured.settings(dataset, protocol)
            clusters = [s for s in settings if s.removeprefix("K=").isdigit()]
            if protocol == "in-context" and "1/1" in settings:
                settings = ["1/1"]
            elif clusters:
                settings = [max(clusters, key=lambda text: int(text.removeprefix("K=")))]
            found.append(Quantity(dataset, protocol, settings[0]))
    return found


def _fairness(measured: Measured, groups: list[Group], quantities: list[Quantity]) -> list[str]:
    found = [measured.start_of(group) for group in groups if group.is_run]
    starts = {start.handle for start in found if start}
    sentences = []
    for start in (group for group in groups if group.handle in starts):
        for floor in filter(_is_floor, groups):
            if floor is start:
                continue
            margins = [
                (quantity, ours.mean - low.mean)
                for quantity in quantities
                if (ours := _score(measured, start, quantity))
                and (low := _score(measured, floor, quantity))
            ]
            if not margins:
                continue
            above = all(margin > 0 for _, margin in margins)
            each = ", ".join(f"{signed(margin)} in {q.title}" for q, margin in margins)
            verb = "is above" if above else "is NOT above"
            sentences.append(f"The start {start.title} {verb} {floor.title}: {each}.")
    return sentences


def verdicts(overview: Overview) -> list[str]:
    """Return sentences on whether each start is fair and whether NeCo beats it.

    Where nothing ran, there is one sentence that says so.
    """
    lines = overview.fairness + [gain.sentence for gain in overview.gains]
    groups = [group for group, _ in overview.rows]
    lines += overview.paired.sentences(groups) if overview.paired else []
    return lines or ["No run and its starting backbone were both evaluated yet."]
