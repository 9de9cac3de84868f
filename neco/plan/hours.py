"""GPU-hours of a project by rule, from its operations and one speed.

The speed is what a GPU sustains in NeCo's own training. The speed of the paper's A6000 follows from
its 19 GPU-hours; that of your machine comes from lines of benchmarks.training or benchmarks/gpu.
Frozen passes count at the same speed, which makes the hours too many rather than too few: they have
no backward pass.
"""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from neco.config import Project
from neco.config.training import Train
from neco.errors import UserError
from neco.evaluate.protocol import PROTOCOLS
from neco.paper.conditions import HOURS, HOURS_BACKBONE, TRAINING
from neco.plan.arithmetic import BACKWARD, Shape, forward_flops, shape_of, training_flops
from neco.plan.images import image_count
from neco.report.needs import Needs, everything


@dataclass(frozen=True)
class RunCost:
    """GPU-hours of one training of a run. Every seed costs the same."""

    run: str
    seeds: int
    hours: float


@dataclass(frozen=True)
class Speed:
    """Operations a second that a GPU sustains, and where the number comes from."""

    flops: float
    source: str
    measured: Mapping[Shape, float] = field(default_factory=dict)
    """The same for networks of the shapes that were measured themselves"""

    def of(self, shape: Shape | None) -> float:
        """Return operations a second in the training of such a network."""
        return self.flops if shape is None else self.measured.get(shape, self.flops)


@dataclass(frozen=True)
class Cost:
    """GPU-hours of all jobs of a rule."""

    rule: str
    jobs: int
    hours: float


def paper_speed() -> Speed:
    """Return the speed of the paper's GPU, which follows from the hours that the paper states."""
    images = TRAINING["epochs"] * TRAINING["images"]
    work = images * training_flops(shape_of(HOURS_BACKBONE), Train())
    return Speed(work / (HOURS * 3600), f"the paper's {HOURS:g} GPU-hours on an A6000")


def measured_speed(path: Path) -> Speed:
    """Return the speeds that JSON lines of benchmarks.training or benchmarks/gpu say.

    A network's speed is that of the fastest of its lines that read JPEGs, because their images a
    second include the waiting for images; without such a line it is that of its last line. A
    network without any line has the speed of the last line of all. Rehearsals are left out, and so
    are lines of another device than the last line's. Raises UserError where no line is left.
    """
    try:
        rows = [row for row in _rows(path.read_text()) if not row.get("rehearsed")]
        rows = [row for row in rows if row.get("device") == rows[-1].get("device")]
        chosen: dict[Shape | None, dict[str, Any]] = {}
        for row in rows:
            before = chosen.get(shape_of(row["backbone"]))
            if before is None or _rank(row) >= _rank(before):
                chosen[shape_of(row["backbone"])] = row
        speeds = {shape: _sustained(row) for shape, row in chosen.items()}
        last = chosen[shape_of(rows[-1]["backbone"])]
    except (OSError, ValueError, KeyError, IndexError):
        raise UserError(
            f"{path}: no line with backbone and images_per_second; make it with "
            "python -m benchmarks.training --backbone dinov2xr-vits14 --json FILE, or with "
            "make gpu-proofs"
        ) from None
    return Speed(
        _sustained(last),
        f"{last.get('device', 'this machine')}, {path.name}: {last['backbone']} at "
        f"{last['images_per_second']:g} images/s",
        {shape: flops for shape, flops in speeds.items() if shape is not None},
    )


def _rows(text: str) -> list[dict[str, Any]]:
    """Return the lines that say a speed. One that an abort cut off is passed over."""
    rows = []
    for line in text.splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        speed = row.get("images_per_second") if isinstance(row, dict) else None
        if isinstance(speed, int | float) and 0 < speed < math.inf:
            rows.append(row)
    return rows


def _rank(row: dict[str, Any]) -> float:
    """Return what a later line has to reach: the fastest from JPEGs, else the last."""
    end_to_end = row.get("part") is not None and row.get("data") == "JPEGs"
    return float(row["images_per_second"]) if end_to_end else 0.0


def _sustained(row: dict[str, Any]) -> float:
    """Return operations a second of one GPU that a line says."""
    work = (row.get("gflop_per_image") or 0.0) * 1e9
    work = work or training_flops(shape_of(row["backbone"]), Train())
    return float(row["images_per_second"]) * work / int(row.get("processes", 1))


def gpu_hours(project: Project, speed: Speed, needs: Needs | None = None) -> list[Cost]:
    """Return the cost of every rule that uses a GPU, for all jobs or for those that `needs` names.

    k-means, communities, tables and figures run on the CPU and are not counted.
    """
    needs = needs or everything(project)
    work: dict[str, list[float]] = defaultdict(list)
    for run in run_hours(project, speed, needs):
        work["train"] += [run.hours * 3600 * speed.flops] * run.seeds
    jobs = _frozen(project, (*needs.metrics, *needs.maps)) | _features(project, needs)
    for (rule, *_), flops in jobs.items():
        work[rule].append(flops)
    return [Cost(rule, len(jobs), sum(jobs) / speed.flops / 3600) for rule, jobs in work.items()]


def run_hours(project: Project, speed: Speed, needs: Needs | None = None) -> list[RunCost]:
    """Return what one training of every run costs, and how many seeds of it are needed."""
    wanted = (needs or everything(project)).models()
    seeds = Counter(run for model, (_, run, _) in project.models().items() if model in wanted)
    costs = []
    for name, run in project.runs.items():
        if not seeds[name]:
            continue
        settings = project.training(name)
        images = settings.epochs * image_count(project, settings.dataset, settings.split)
        if settings.steps is not None:
            images = settings.steps * settings.batch_size
        work = images * training_flops(shape_of(run.backbone), settings)
        hours = work / speed.of(shape_of(run.backbone)) / 3600
        costs.append(RunCost(name, seeds[name], hours))
    return costs


@dataclass(frozen=True)
class _Work:
    """Answers what records ask to estimate costs (neco.evaluate.protocol.Work), for one model and
    dataset."""

    project: Project
    dataset: str
    splits: dict[str, str]
    shape: Shape | None

    @property
    def dim(self) -> int:
        return self.shape.dim if self.shape else 0

    def images(self, part: str) -> int:
        return image_count(self.project, self.dataset, self.splits[part])

    def patches(self, side: int) -> int:
        return (side // self.shape.patch_size) ** 2 if self.shape else 0

    def forward(self, side: int) -> float:
        return forward_flops(self.shape, side)

    def step(self, side: int) -> float:
        return (1 + BACKWARD) * forward_flops(self.shape, side)


def _features(project: Project, needs: Needs) -> dict[tuple[Any, ...], float]:
    """Return the operations of every job that extracts features for figures."""
    jobs: dict[tuple[Any, ...], float] = {}
    for model, dataset, split, image_size, colours in needs.features.values():
        images = image_count(project, dataset, split)
        work = images * forward_flops(shape_of(project.models()[model].backbone), image_size)
        jobs["extract", dataset, split, model, image_size, colours] = work
    return jobs


def _frozen(
    project: Project, metrics: Iterable[tuple[str, str, str]]
) -> dict[tuple[Any, ...], float]:
    """Return the operations of every job of `metrics` that images or tokens go through."""
    models = project.models()
    jobs: dict[tuple[Any, ...], float] = {}
    for protocol, dataset, model in metrics:
        record = PROTOCOLS[protocol]
        settings = project.settings_for(protocol, dataset, model)
        inputs = record.inputs(settings, project.datasets[dataset])
        work = _Work(project, dataset, inputs.splits, shape_of(models[model].backbone))
        for rule, parts in (("extract", inputs.features), ("attend", inputs.attention)):
            colours = getattr(settings, "colours", "backbone") if rule == "extract" else ""
            for part in parts:
                file = (rule, dataset, inputs.splits[part], model, settings.image_size, colours)
                jobs[file] = work.images(part) * work.forward(settings.image_size)
        for number, operations in enumerate(record.operations(settings, work)):
            jobs[record.kind, dataset, model, number] = operations
    return jobs
