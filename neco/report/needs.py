"""What a table or a figure is made from: a part's name comes in, the files that it reads come out.

It is known before anything ran. The workflow's rules take exactly what `needs_of` says, and
`neco plan --only` counts exactly that.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from functools import cache, reduce
from typing import NamedTuple

from pydantic import BaseModel

from neco.backbones.registry import file_stem
from neco.config import Project
from neco.config.reporting import PAPERS, PARTS
from neco.errors import UserError
from neco.paper.figures import FIGURES, Drawing, figure_2_numbers
from neco.paper.reported import Reported, read_reported
from neco.paper.tables import COSTS
from neco.report.scores.groups import Group, Place, grouped
from neco.report.scores.models import describe_models
from neco.report.tables.arrangement import places_of, shown_with


class FeatureSet(NamedTuple):
    """Frozen features that a figure reads."""

    model: str
    dataset: str
    split: str
    image_size: int
    colours: str


@dataclass(frozen=True)
class Needs:
    """What is read to make one or several parts of a report."""

    metrics: tuple[tuple[str, str, str], ...] = ()
    """Metrics files as (protocol, dataset, model)."""
    trainings: tuple[str, ...] = ()
    """Models (`<run>.seed<n>`) whose training the part says something of."""
    features: dict[str, FeatureSet] = field(default_factory=dict)
    """Features, by what the figure calls them, as `start_val`."""
    maps: tuple[tuple[str, str, str], ...] = ()
    """What the unsupervised protocol predicted, as the metrics file that it is written with."""
    datasets: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()

    def __or__(self, other: "Needs") -> "Needs":
        """Return what one or the other needs, each thing once."""
        both = {
            part.name: tuple(dict.fromkeys(getattr(self, part.name) + getattr(other, part.name)))
            for part in fields(self)
            if part.name != "features"
        }
        features = {
            "/".join(map(str, one)): one
            for one in (*self.features.values(), *other.features.values())
        }
        return Needs(features=features, **both)

    def models(self) -> set[str]:
        """Return the names of the models that have to exist."""
        evaluated = {model for _, _, model in (*self.metrics, *self.maps)}
        read = {one.model for one in self.features.values()}
        return {*evaluated, *read, *self.trainings, *self.weights}


def everything(project: Project) -> Needs:
    """Return what the whole report is made from, without its figures."""
    trained = tuple(name for name, (_, run, _) in project.models().items() if run)
    return Needs(metrics=tuple(project.evaluated()), trainings=trained)


def together(parts: Iterable[str], project: Project) -> Needs:
    """Return what several parts need."""
    return reduce(Needs.__or__, (needs_of(part, project) for part in parts), Needs())


def needs_of(part: str, project: Project) -> Needs:
    """Return what a part of the report (one of PARTS) is made from in a project.

    Raises UserError for a figure that the project cannot draw.
    """
    if part in ("summary", "claims"):
        return everything(project)
    groups = grouped(describe_models(project))
    if part.startswith("table-"):
        places = places_of(part.removeprefix("table-"), groups, _numbers())
        return _in_places(places, groups, project)
    drawing = FIGURES[part.removeprefix("figure-")]
    if "metrics" in drawing.needs:
        shown = shown_with(figure_2_numbers(_numbers()), groups, _numbers())
        places = {
            Place(group.handle, dataset, "in-context")
            for group in shown
            for dataset in project.datasets
        }
        return _in_places(places, groups, project)
    return _of_figure(drawing, project)


@cache
def _numbers() -> list[Reported]:
    """Return the paper's numbers, read once for all parts."""
    return read_reported()


def drawable(project: Project) -> list[str]:
    """Return the parts that a project can make: all but figures that lack a run or its maps."""
    return [part for part in PARTS if _lacks(part, project) is None]


def shown_dataset(project: Project) -> str:
    """Return the dataset whose held-out images figures show: `report.dataset`.

    Where a project names none, it is the paper's, or else the first that is evaluated.
    """
    named = project.report.dataset
    if named is not None and named != PAPERS:
        return named
    if PAPERS in project.datasets or not project.datasets:
        return PAPERS
    evaluated = [dataset for _, dataset, _ in project.evaluated()]
    return next(iter([*evaluated, *project.datasets]))


def computed_with(part: str, project: Project) -> list[BaseModel]:
    """Return the settings by which a figure itself computes; it is drawn anew where one changes.

    What files are made with is not among them.
    """
    drawing, shown = FIGURES[part.removeprefix("figure-")], project.pictured()
    if shown is None or not drawing.compares:
        return []
    dataset, run = shown_dataset(project), shown[1]
    found: list[BaseModel] = []
    if "weights" in drawing.needs:
        found.append(project.training(run.rpartition(".seed")[0]))
    if "run_train" in drawing.needs:
        found.append(project.settings_for("in-context", dataset, run))
    if "run_cluster" in drawing.needs:
        found.append(project.settings_for("overcluster", dataset, run))
    return found


def _lacks(part: str, project: Project) -> str | None:
    """Return in words what a project lacks for a part, or None."""
    drawing = FIGURES.get(part.removeprefix("figure-"))
    if drawing is None or not drawing.compares:
        return None
    shown = project.pictured()
    if shown is None:
        return "it shows a NeCo run beside its start, and this configuration has no run"
    maps = [("unsupervised", shown_dataset(project), model) for model in shown]
    if "maps" in drawing.needs and not set(maps) <= project.evaluated().keys():
        return f"evaluations do not ask for unsupervised of {' and '.join(shown)}"
    return None


def _in_places(places: Iterable[Place], groups: Sequence[Group], project: Project) -> Needs:
    """Return the metrics in `places`, and the trainings that notes and costs of theirs speak of."""
    of_model = {model.model: group for group in groups for model in group.members}
    wanted = set(places)
    metrics = []
    shown = {place.handle for place in wanted if place.protocol in COSTS}
    trained: dict[str, None] = {}
    for protocol, dataset, model in project.evaluated():
        group = of_model[file_stem(model)]
        if Place(group.handle, dataset, protocol) in wanted:
            metrics.append((protocol, dataset, model))
            shown.add(group.handle)
            if group.is_run:
                trained[model] = None
    # What is said of a run's training is read from its first seed.
    first = [group.members[0].model for group in groups if group.is_run and group.handle in shown]
    return Needs(metrics=tuple(metrics), trainings=tuple(dict.fromkeys([*first, *trained])))


def _of_figure(drawing: Drawing, project: Project) -> Needs:
    lacking = _lacks(drawing.stem, project)
    if lacking:
        raise UserError(f"{drawing.stem}: {lacking}")
    dataset = shown_dataset(project)
    if not drawing.compares:
        return Needs(datasets=(dataset,))
    start, run = project.pictured() or ("", "")
    if drawing.images == "training":
        dataset = project.training(run.rpartition(".seed")[0]).dataset
    return Needs(
        features={
            name: features
            for name, features in _features(project, dataset, (start, run)).items()
            if name in drawing.needs
        },
        maps=tuple(
            ("unsupervised", dataset, model) for model in (start, run) if "maps" in drawing.needs
        ),
        datasets=(dataset,),
        weights=(start,) if "weights" in drawing.needs else (),
    )


def _features(project: Project, dataset: str, shown: tuple[str, str]) -> dict[str, FeatureSet]:
    """Return all features that figures can compare, as the evaluations of the run read them."""
    if dataset not in project.datasets:
        return {}
    splits = project.datasets[dataset]
    retrieval = project.settings_for("in-context", dataset, shown[1])
    clustering = project.settings_for("overcluster", dataset, shown[1])
    of_retrieval = (retrieval.image_size, retrieval.colours)
    images: dict[str, tuple[str, int, str]] = {
        "train": (splits.train, *of_retrieval),
        "val": (splits.val, *of_retrieval),
        "cluster": (splits.val, clustering.image_size, "backbone"),
    }
    return {
        f"{side}_{part}": FeatureSet(model, dataset, *read)
        for side, model in zip(("start", "run"), shown, strict=True)
        for part, read in images.items()
    }
