"""This project's numbers: metrics files of all seeds come in, scores come out.

There is one score for each model, dataset, protocol and setting.
"""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean, stdev

from neco.config.project import Project
from neco.errors import UserError
from neco.evaluate.protocol import PROTOCOLS
from neco.evaluate.result import Metrics, read_result
from neco.report.scores.groups import Group, Place
from neco.report.scores.scale import reasons


@dataclass(frozen=True)
class Score:
    """mIoU in percent, or another measured number, with its spread."""

    mean: float
    std: float | None
    by_seed: dict[int, float]
    """The value of each training seed of a run. A backbone has one value, under seed 0."""
    spread: str
    """What `std` is over: `3 training seeds`, `5 evaluation seeds`, or nothing."""
    scale: tuple[str, ...] = ()
    """How the conditions differ from the paper's. It is empty at the paper's scale."""

    def marked(self, reason: str) -> "Score":
        """Return this score with one more difference of scale."""
        return replace(self, scale=(reason, *self.scale))

    def minus(self, other: "Score") -> "Score":
        """Return the gain over `other`, seed by seed where `other` is a single model."""
        if len(other.by_seed) == 1:
            base = next(iter(other.by_seed.values()))
            by_seed = {seed: value - base for seed, value in self.by_seed.items()}
        else:
            shared = self.by_seed.keys() & other.by_seed.keys()
            by_seed = {seed: self.by_seed[seed] - other.by_seed[seed] for seed in sorted(shared)}
        values = list(by_seed.values())
        return Score(
            mean=self.mean - other.mean,
            std=stdev(values) if len(values) > 1 else None,
            by_seed=by_seed,
            spread=f"{len(values)} training seeds" if len(values) > 1 else "",
            scale=tuple(dict.fromkeys((*self.scale, *other.scale))),
        )


@dataclass
class Measured:
    """Every score of a project."""

    groups: list[Group]
    scores: dict[tuple[str, str, str, str], Score] = field(default_factory=dict)
    """Scores by (handle of the group, dataset, protocol, setting)."""
    commits: list[str] = field(default_factory=list)
    date: str = ""
    """Day and time (UTC) of the newest metrics file."""
    files: dict[Place, dict[str, tuple[Path, Metrics]]] = field(default_factory=dict)
    """The metrics files themselves, by model."""
    left_out: list[str] = field(default_factory=list)
    """Metrics files of models that the project does not have."""

    def get(self, group: Group, dataset: str, protocol: str, setting: str) -> Score | None:
        """Return a score, or None where it was not measured."""
        return self.scores.get((group.handle, dataset, protocol, setting))

    def settings(self, dataset: str, protocol: str) -> list[str]:
        """Return the settings that any model was evaluated in, in order of appearance."""
        found = (key[3] for key in self.scores if key[1:3] == (dataset, protocol))
        return list(dict.fromkeys(found))

    def start_of(self, group: Group) -> Group | None:
        """Return the backbone from which a run or a released student started, or None."""
        named = (other for other in self.groups if other.name == group.start and not other.is_run)
        return next(named, None)


def read_measured(
    metrics: Path, groups: Sequence[Group], places: Collection[Place] | None = None
) -> Measured:
    """Return the scores of <metrics>/<protocol>/<dataset>/<model>.json, of which there may be none.

    places: the only files that are read; None reads all. The seeds of a run are averaged, and `std`
    is their sample standard deviation. A backbone keeps the spread over evaluation seeds.
    Raises UserError for a broken file.
    """
    measured = Measured(list(groups))
    owner = {model.model: group for group in measured.groups for model in group.members}
    found: dict[Place, dict[str, Metrics]] = {}
    newest = 0.0
    commits: dict[str, None] = {}
    for path in sorted(metrics.glob("*/*/*.json")):
        if path.stem not in owner:
            measured.left_out.append(str(path.relative_to(metrics)))
            continue
        place = Place(owner[path.stem].handle, path.parent.name, path.parents[1].name)
        if places is not None and place not in places:
            continue
        result = read_result(path)
        newest = max(newest, path.stat().st_mtime)
        commits[result.conditions.git_commit or "unknown"] = None
        found.setdefault(place, {})[path.stem] = result
        measured.files.setdefault(place, {})[path.stem] = path, result
    by_handle = {group.handle: group for group in measured.groups}
    for (handle, dataset, protocol), results in found.items():
        group = by_handle[handle]
        ordered = [results[m.model] for m in group.members if m.model in results]
        for setting in dict.fromkeys(s for result in ordered for s in result.summary):
            score = _score(group, results, setting)
            measured.scores[handle, dataset, protocol, setting] = score
    measured.commits = list(commits)
    if newest:
        measured.date = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(newest))
    return measured


def _score(group: Group, results: dict[str, Metrics], setting: str) -> Score:
    by_seed = {
        model.seed or 0: results[model.model].summary[setting].mIoU
        for model in group.members
        if model.model in results and setting in results[model.model].summary
    }
    values = list(by_seed.values())
    std: float | None
    one = next(result for result in results.values() if setting in result.summary)
    if group.is_run and len(values) > 1:
        std, spread = stdev(values), f"{len(values)} training seeds"
    else:
        summary = one.summary[setting]
        std = summary.std
        spread = f"{summary.seeds} evaluation seeds" if summary.seeds > 1 else ""
    scale = tuple(reasons(one, group.training, group.ablations))
    return Score(fmean(values), std, by_seed, spread, scale)


def refuse_other_settings(metrics: Path, project: Project) -> None:
    """Raise UserError for a metrics file that was measured with other settings than the project's.

    Files that the project does not ask for are not looked at.
    """
    asked = project.evaluated()
    for path in sorted(metrics.glob("*/*/*.json")):
        result = read_result(path)
        if (result.protocol, result.dataset, result.model) not in asked:
            continue
        settings = project.settings_for(result.protocol, result.dataset, result.model)
        now = settings.model_dump(mode="json")
        searched = PROTOCOLS[result.protocol].searched if result.settings.get("trials") else set()
        for key in sorted(now.keys() & result.settings.keys() - searched):
            if result.settings[key] != now[key]:
                raise UserError(
                    f"{path}: measured with {key} {result.settings[key]}, and the configuration "
                    f"says {now[key]}; delete it and evaluate again, or give the configuration "
                    "that it was measured with"
                )
