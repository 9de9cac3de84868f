"""A project: the four short lists (datasets, backbones, runs, evaluations) and where things lie."""

from functools import cached_property
from itertools import product
from typing import Any, Literal

from pydantic import Field, model_validator

from neco.config.base import Settings, merged, nearest, validated
from neco.config.evaluation import (
    PROTOCOLS,
    Extraction,
    InContext,
    Linear,
    Overcluster,
    Protocol,
    Segmenter,
    Unsupervised,
    open_to_preset,
)
from neco.config.publishing import Publish
from neco.config.resources import Resources
from neco.config.training import PRESETS, Train
from neco.errors import UserError


class Scenes(Settings):
    """Generated photographs-like scenes, written as official archives (no download needed)."""

    train: int = Field(600, ge=1)
    """Labelled training images per archive."""
    val: int = Field(200, ge=1)
    """Held-out images per archive."""
    unlabelled: int = Field(600, ge=0)
    """Further training images of COCO's image archive, without annotation."""
    width: int = Field(128, ge=16)
    height: int = Field(128, ge=16)
    seed: int = 0


class DatasetSplits(Settings):
    """Which splits of a prepared dataset serve as training and held-out images."""

    train: str = "train"
    val: str = "val"


class Run(Settings):
    """One NeCo training: a starting backbone and what differs from the project's `train`."""

    like: str | None = None
    """Another run that this one starts from: only what differs from it is written here."""
    backbone: str
    """Registry name of the starting backbone."""
    method: str = "NeCo"
    """The row's name in the tables."""
    seeds: list[int] = [0]
    """Training seeds; every seed is a model of its own."""
    train: dict[str, Any] = {}
    """Sparse override of the project's `train`."""
    ablations: list[str] = []
    """Cells of the ablation tables that this run fills: `5a/foreground`, `9a/all`. Such a run has
    evaluations of its own and no place in the main tables."""
    initial: bool = True
    """Also evaluate the starting backbone."""


class Evaluation(Settings):
    """One protocol on some datasets, for some runs and backbones."""

    protocol: Protocol
    datasets: list[str]
    models: list[str] | Literal["main", "ablations"] = "main"
    """`main`: every backbone and every run without `ablations`; `ablations`: the runs that have
    some; or names of runs and backbones."""
    settings: dict[str, Any] = {}
    """Sparse override of the project's settings of this protocol."""


Table = Literal[
    "1a", "1b", "2", "3", "4", "5a", "5b", "5c", "5d", "5e", "6", "7", "8", "9a", "9b", "9c", "9d",
    "10",
]  # fmt: skip
Figure = Literal["1", "2", "3", "4", "5", "6", "7", "overlays"]


class Report(Settings):
    """Which tables and figures are drawn."""

    tables: list[Table] = ["1a", "2", "7", "8"]
    figures: list[Figure] = ["1", "2", "3", "4", "5", "6", "7", "overlays"]
    dataset: str = "pascal-voc"
    """Whose held-out images the figures show."""
    run: str | None = None
    """Which run the figures compare with its start; None takes the first."""
    images: int = Field(6, ge=1)
    """Images per figure."""
    clusters: int = Field(100, ge=2)
    """K of Figure 6 and of the overlays."""


class Project(Settings):
    """Everything that one `snakemake` call computes."""

    name: str = Field("paper", pattern=r"^[a-z0-9][a-z0-9-]*$")
    """Results go to results/<name>."""
    include: list[str] = []
    """Files beside this one that it is laid over, in order; resolved while loading."""
    data: str = "data"
    """Folder of archives and prepared datasets."""
    mirrors: list[str] = ["official"]
    """Where archives come from, in order: `official`, a folder, a file:// or http(s):// base."""
    mirror: str | None = None
    """One more mirror, asked first; made for `--config mirror=/folder`."""
    scenes: Scenes | None = None
    """Generate the archives instead of fetching them."""
    datasets: dict[str, DatasetSplits] = {}
    """Datasets that are prepared, with the splits that evaluations use."""
    backbones: list[str] = []
    """Backbones evaluated as they are."""
    train: dict[str, Any] = {}
    """Sparse override of the preset's training settings, shared by all runs."""
    runs: dict[str, Run] = {}
    evaluations: list[Evaluation] = []
    extraction: Extraction = Extraction()
    in_context: InContext = InContext()
    overcluster: Overcluster = Overcluster()
    linear: Linear = Linear()
    segmenter: Segmenter = Segmenter()
    unsupervised: Unsupervised = Unsupervised()
    report: Report = Report()
    publish: Publish = Publish()
    resources: Resources = Resources()

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
        return {**values, "runs": {name: _completed(name, runs) for name in runs}}

    def evaluated(self) -> dict[tuple[str, str, str], Evaluation]:
        """Return which evaluation asks for each metrics file: by (protocol, dataset, model)."""
        return dict(self.asked)

    @cached_property
    def asked(self) -> dict[tuple[str, str, str], Evaluation]:
        """What `evaluated` returns, worked out once: a workflow asks for it for every job."""
        return {
            (evaluation.protocol, dataset, model): evaluation
            for evaluation in self.evaluations
            for dataset in evaluation.datasets
            for model in self._models_of(evaluation)
        }

    @cached_property
    def asked_settings(self) -> dict[tuple[str, str, str], Any]:
        """The settings of each metrics file, by the same keys; each evaluation's validated once."""
        settings = {
            id(evaluation): self.protocol_settings(evaluation.protocol, evaluation.settings)
            for evaluation in self.evaluations
        }
        return {key: settings[id(evaluation)] for key, evaluation in self.asked.items()}

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
        for (asked, where, whose), settings in self.asked_settings.items():
            if (asked, where) == (protocol, dataset) and model in (None, whose):
                return settings
        return self.protocol_settings(protocol, {})

    @model_validator(mode="after")
    def _consistent(self) -> "Project":
        try:
            for run in self.runs:
                self.training(run)
            if self.report.run is not None:
                _refuse_unknown([self.report.run], self.runs, "report: run")
            trained = [model for model, (_, run, _) in self.models().items() if run]
            _refuse_unknown(self.publish.checkpoints or [], trained, "publish: checkpoint")
            seen: set[tuple[str, str, str]] = set()
            for evaluation in self.evaluations:
                self.protocol_settings(evaluation.protocol, evaluation.settings)
                _refuse_unknown(evaluation.datasets, self.datasets, "evaluations: dataset")
                if isinstance(evaluation.models, list):
                    known = [*self.runs, *self.models()]
                    _refuse_unknown(evaluation.models, known, "evaluations: model")
                for dataset, model in product(evaluation.datasets, self._models_of(evaluation)):
                    if (evaluation.protocol, dataset, model) in seen:
                        what = f"{evaluation.protocol} of {model} on {dataset}"
                        raise UserError(f"evaluations: {what} is asked for twice")
                    seen.add((evaluation.protocol, dataset, model))
        except UserError as error:
            raise ValueError(str(error)) from None
        return self

    def training(self, run: str, seed: int | None = None) -> Train:
        """Return the full settings of one run: defaults < preset < project < run < seed."""
        asked = merged(self.train, self.runs[run].train)
        preset = asked.get("preset", "paper")
        if preset not in PRESETS:
            raise UserError(
                f"runs.{run}.train: unknown preset '{preset}'{nearest(preset, PRESETS)}"
            )
        values = merged(PRESETS[preset], asked)
        if seed is not None:
            values = merged(values, {"seed": seed})
        return validated(Train, values, f"runs.{run}.train")

    def models(self) -> dict[str, tuple[str, str | None, int | None]]:
        """Return every evaluated model by name: (backbone, run, training seed).

        A backbone is evaluated under its own name, a run as `<run>.seed<n>` for each seed.
        """
        found: dict[str, tuple[str, str | None, int | None]] = {
            name: (name, None, None) for name in self.frozen_backbones()
        }
        for name, run in self.runs.items():
            found |= {f"{name}.seed{seed}": (run.backbone, name, seed) for seed in run.seeds}
        return found

    def protocol_settings(self, protocol: str, override: dict[str, Any]) -> Any:
        """Return the settings of a protocol: the project's with the sparse `override` over them.

        A preset named in `override` replaces what the project's preset had set.
        """
        base = getattr(self, protocol.replace("-", "_")).model_dump()
        if protocol == "unsupervised" and "preset" in override:
            base = open_to_preset(base)
        where = f"evaluations ({protocol}).settings"
        return validated(PROTOCOLS[protocol], merged(base, override), where)

    def all_mirrors(self) -> list[str]:
        """Return where archives and weights are asked for, in order."""
        return [*([self.mirror] if self.mirror else []), *self.mirrors]

    def frozen_backbones(self) -> list[str]:
        """Return the backbones that are evaluated as they are, starting points included."""
        starts = [run.backbone for run in self.runs.values() if run.initial]
        return list(dict.fromkeys([*self.backbones, *starts]))


def _refuse_unknown(names: list[str], known: Any, what: str) -> None:
    for name in names:
        if name not in known:
            raise UserError(f"{what} '{name}' is not defined{nearest(name, known)}")


def _completed(name: str, runs: dict[str, Any], below: tuple[str, ...] = ()) -> Any:
    """Return a run with what it leaves out taken from the run that it is like."""
    run = runs[name]
    like = run.get("like") if isinstance(run, dict) else None
    if like is None:
        return run
    if like not in runs:
        raise ValueError(f"runs.{name}.like: '{like}' is not defined{nearest(like, runs)}")
    if like in (name, *below):
        raise ValueError(f"runs.{name}.like: '{like}' is like itself; name another run")
    base = _completed(like, runs, (name, *below))
    inherited = {key: value for key, value in base.items() if key not in ("like", "ablations")}
    return merged(inherited, run)
