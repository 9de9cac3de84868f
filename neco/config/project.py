"""A project: its datasets, backbones, runs and evaluations, and what follows from them."""

from collections.abc import Callable
from functools import wraps
from itertools import product
from typing import Any, Literal, TypeVar

from pydantic import Field, field_validator, model_validator

from neco.config.base import Settings, merged, nearest, validated
from neco.config.compare import Compare
from neco.config.consistency import Consistency
from neco.config.datasets import DatasetSplits, PartName, Scenes
from neco.config.extraction import Extraction
from neco.config.in_context import InContext
from neco.config.linear import Linear
from neco.config.overcluster import Overcluster
from neco.config.protocol import Evaluated, laid
from neco.config.publishing import Publish
from neco.config.reporting import PAPERS, PARTS, Report
from neco.config.resources import Resources
from neco.config.runs import FileName, Model, Run, completed
from neco.config.segmenter import Segmenter
from neco.config.training import Train, with_preset
from neco.config.unsupervised import Unsupervised
from neco.errors import UserError


class Evaluation(Settings):
    """One protocol on some datasets, for some runs and backbones."""

    protocol: str = Field(json_schema_extra=lambda schema: schema.update(enum=list(PROTOCOLS)))
    """The protocol, by the name of its settings below, but with hyphens: `in-context`, `linear` and
    so on."""
    datasets: list[str]
    """Names of datasets; each has to be in the project's `datasets`."""
    models: list[str] | Literal["main", "ablations"] = "main"
    """Which models are evaluated. `main`: every backbone, and every run without `ablations`.
    `ablations`: every run with `ablations`. Or a list of names: of a backbone, of a run (the models
    of all its seeds) or of one model (`<run>.seed<n>`)."""
    settings: dict[str, Any] = {}
    """Settings of the protocol for this evaluation: only those that differ from the project's."""


Computed = TypeVar("Computed")


def _once(compute: Callable[[Any], Computed]) -> Callable[[Any], Computed]:
    """Return a method that computes once for each project, which never changes; see __copy__."""
    name = f"_{compute.__name__} of this project"

    @wraps(compute)
    def known(project: Any) -> Computed:
        if name not in project.__dict__:
            project.__dict__[name] = compute(project)
        found: Computed = project.__dict__[name]
        return found

    return known


class Project(Settings):
    """Everything that one call of `snakemake` computes."""

    name: str = Field("paper", pattern=r"^[a-z0-9][a-z0-9-]*$")
    """Name of the project, in lower case letters, digits and hyphens. Its results go to
    results/<name>."""
    include: list[str] = []
    """Configuration files beside this one, or among those that ship in config/. They are read
    first, in order, and this file overrides them."""
    data: str = Field("data", pattern=r"^[^{}\n]+$")
    """Folder of archives and prepared datasets. Its path must not contain braces, which Snakemake
    reads as wildcards."""
    mirrors: list[str] = ["official"]
    """Where archives and weights are looked for, in this order: `official`, a folder, or the start
    of a file://, http:// or https:// address. For weights `official` is asked last, wherever it
    stands."""
    mirror: str | None = None
    """One more mirror, which is asked first. It is meant for the command line: `--config
    mirror=/folder`."""
    scenes: Scenes | None = None
    """Generated images that replace the downloaded archives. null downloads; an empty mapping,
    `{}`, generates with the defaults."""
    datasets: dict[PartName, DatasetSplits] = {}
    """Datasets that are prepared, by name, with the splits that evaluations use."""
    backbones: list[str] = []
    """Names of backbones that are evaluated without training (docs/backbones.md), such as baselines
    and the students that NeCo's authors released."""
    train: dict[str, Any] = {}
    """Training settings of all runs: only those that differ from the preset's."""
    runs: dict[FileName, Run] = {}
    """The trainings, by name."""
    evaluations: list[Evaluation] = []
    """The evaluations: which protocol, on which datasets, of which models."""
    extraction: Extraction = Extraction()
    in_context: InContext = InContext()
    overcluster: Overcluster = Overcluster()
    linear: Linear = Linear()
    segmenter: Segmenter = Segmenter()
    unsupervised: Unsupervised = Unsupervised()
    consistency: Consistency = Consistency()
    compare: Compare = Compare()
    report: Report = Report()
    only: list[str] = []
    """Parts of the report to compute, with what they need and nothing else: `table-8`, `figure-2`,
    `overlays`, `summary`, `claims`. A single name needs no list; an empty list computes the whole
    report."""
    publish: Publish = Publish()
    resources: Resources = Resources()

    @field_validator("only", mode="before")
    @classmethod
    def _known_parts(cls, names: Any) -> Any:
        names = [names] if isinstance(names, str) else names
        for name in names if isinstance(names, list) else []:
            if name not in PARTS:
                raise ValueError(f"the report has no '{name}'{nearest(str(name), PARTS)}")
        return names

    def pictured(self) -> tuple[str, str] | None:
        """Return the (start, run) models that figures compare, None without any run."""
        run = self.report.run or next(iter(self.runs), None)
        if run is None:
            return None
        return self.runs[run].backbone, f"{run}.seed{self.runs[run].seeds[0]}"

    @model_validator(mode="before")
    @classmethod
    def _runs_like_others(cls, values: Any) -> Any:
        runs = values.get("runs") if isinstance(values, dict) else None
        if not isinstance(runs, dict):
            return values
        return {**values, "runs": {name: completed(name, runs) for name in runs}}

    def __copy__(self) -> "Project":
        """Return a copy without what this project has computed: a copy's settings may change."""
        copy = super().__copy__()
        for name in set(copy.__dict__) - set(type(self).model_fields):
            del copy.__dict__[name]
        return copy

    @_once
    def evaluated(self) -> dict[tuple[str, str, str], Evaluation]:
        """Return which evaluation asks for each metrics file: by (protocol, dataset, model)."""
        return {
            (evaluation.protocol, dataset, model): evaluation
            for evaluation in self.evaluations
            for dataset in evaluation.datasets
            for model in self._models_of(evaluation)
        }

    def _models_of(self, evaluation: Evaluation) -> list[str]:
        def belongs(model: str, backbone: str, run: str | None) -> bool:
            if isinstance(evaluation.models, list):
                return bool({model, run if run else backbone} & set(evaluation.models))
            is_ablation = run is not None and bool(self.runs[run].ablations)
            return is_ablation == (evaluation.models == "ablations")

        return [
            model
            for model, (backbone, run, _) in self.models().items()
            if belongs(model, backbone, run)
        ]

    def settings_for(self, protocol: str, dataset: str, model: str | None = None) -> Any:
        """Return the settings of a protocol for a model on a dataset, as `evaluations` ask.

        Without a model, those of the first evaluation of the protocol on the dataset; the
        project's own where no evaluation asks.
        """
        if model is None:
            asked = self._first_evaluations().get((protocol, dataset))
        else:
            asked = self.evaluated().get((protocol, dataset, model))
        known, key = self._known_settings(), (protocol, dataset, id(asked))
        if key not in known:
            override = asked.settings if asked else {}
            known[key] = self.protocol_settings(protocol, dataset, override)
        return known[key]

    @_once
    def _first_evaluations(self) -> dict[tuple[str, str], Evaluation]:
        """Return the first evaluation of each protocol on each dataset."""
        found: dict[tuple[str, str], Evaluation] = {}
        for (protocol, dataset, _), evaluation in self.evaluated().items():
            found.setdefault((protocol, dataset), evaluation)
        return found

    @_once
    def _known_settings(self) -> dict[tuple[str, str, int], Any]:
        """Return what `settings_for` has laid together, by the identity of the evaluation."""
        return {}

    @model_validator(mode="after")
    def _consistent(self) -> "Project":
        try:
            for run in self.runs:
                self.training(run)
            _refuse_two_in_a_cell(self.runs)
            # Files of results that were written before null was the default name the paper's.
            if self.report.dataset not in (None, PAPERS) and self.datasets:
                _refuse_unknown([self.report.dataset], self.datasets, "report: dataset")
            if self.report.run is not None:
                _refuse_unknown([self.report.run], self.runs, "report: run")
            if self.report.against is not None:
                known = [*self.runs, *self.frozen_backbones()]
                _refuse_unknown([self.report.against], known, "report: against")
            trained = [model for model, (_, run, _) in self.models().items() if run]
            _refuse_unknown(self.publish.checkpoints or [], trained, "publish: checkpoint")
            seen: set[tuple[str, str, str]] = set()
            for evaluation in self.evaluations:
                _refuse_unknown([evaluation.protocol], PROTOCOLS, "evaluations: protocol")
                _refuse_unknown(evaluation.datasets, self.datasets, "evaluations: dataset")
                for dataset in evaluation.datasets:
                    self.protocol_settings(evaluation.protocol, dataset, evaluation.settings)
                if isinstance(evaluation.models, list):
                    known = [*self.runs, *self.models()]
                    _refuse_unknown(evaluation.models, known, "evaluations: model")
                for dataset, model in product(evaluation.datasets, self._models_of(evaluation)):
                    if (evaluation.protocol, dataset, model) in seen:
                        what = f"{evaluation.protocol} of {model} on {dataset}"
                        raise UserError(f"evaluations: {what} is asked for twice; keep one")
                    seen.add((evaluation.protocol, dataset, model))
        except UserError as error:
            raise ValueError(str(error)) from None
        return self

    def training(self, run: str, seed: int | None = None) -> Train:
        """Return the full settings of one run: defaults < preset < project < run < seed."""
        values = with_preset(merged(self.train, self.runs[run].train), f"runs.{run}.train")
        if seed is not None:
            values = merged(values, {"seed": seed})
        return validated(Train, values, f"runs.{run}.train")

    def training_dataset(self, run: str) -> str:
        """Return the name of the dataset that a workflow prepares for a run.

        Raises UserError where it is not among the project's.
        """
        name = self.training(run).dataset
        _refuse_unknown([name], self.datasets, f"runs.{run}: train.dataset")
        return name

    @_once
    def models(self) -> dict[str, Model]:
        """Return every evaluated model by name.

        A backbone is evaluated under its own name, a run as `<run>.seed<n>` for each seed.
        """
        found = {name: Model(name, None, None) for name in self.frozen_backbones()}
        for name, run in self.runs.items():
            found |= {f"{name}.seed{seed}": Model(run.backbone, name, seed) for seed in run.seeds}
        return found

    def protocol_settings(self, protocol: str, dataset: str, override: dict[str, Any]) -> Any:
        """Return the settings of a protocol on a dataset.

        Default < preset < what it says of the dataset < the project's < the sparse `override`.
        """
        asked = getattr(self, protocol.replace("-", "_")).model_dump(exclude_unset=True)
        where = f"evaluations ({protocol}).settings"
        return laid(PROTOCOLS[protocol], [asked, override], dataset, where)

    def written(self) -> dict[str, Any]:
        """Return the project as a file: whole, but of protocols what was asked for.

        So a preset that is named later (`--set linear.preset=released`) still has its effect.
        """
        names = [protocol.replace("-", "_") for protocol in PROTOCOLS]
        asked = {
            name: getattr(self, name).model_dump(mode="json", exclude_unset=True) for name in names
        }
        return self.model_dump(mode="json") | asked

    def compared_with(self) -> str | None:
        """Return the model that the summary takes differences from, None without one."""
        first = None if self.runs else next(iter(self.frozen_backbones()), None)
        return self.report.against or first

    def all_mirrors(self) -> list[str]:
        """Return where archives and weights are asked for, in order."""
        return [*([self.mirror] if self.mirror else []), *self.mirrors]

    def frozen_backbones(self) -> list[str]:
        """Return the backbones that are evaluated as they are, starting points included."""
        starts = [run.backbone for run in self.runs.values() if run.initial]
        return list(dict.fromkeys([*self.backbones, *starts]))


PROTOCOLS: dict[str, type[Evaluated]] = {
    name.replace("_", "-"): field.annotation
    for name, field in Project.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Evaluated)
}
"""Settings of every protocol by its name: the project's fields."""


def _refuse_two_in_a_cell(runs: dict[str, Run]) -> None:
    """Raise UserError where two runs fill one cell of an ablation table, which shows one."""
    filled: dict[str, str] = {}
    for name, run in runs.items():
        for cell in run.ablations:
            if filled.setdefault(cell, name) != name:
                raise UserError(
                    f"runs: {filled[cell]} and {name} both fill {cell}; give one another cell"
                )


def _refuse_unknown(names: list[str], known: Any, what: str) -> None:
    for name in names:
        if name not in known:
            raise UserError(f"{what} '{name}' is not defined{nearest(name, known)}")
