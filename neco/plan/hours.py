"""GPU-hours of a project by rule, from its arithmetic and one speed.

The speed is what a GPU sustains in NeCo's own training: of the paper's A6000 it follows from its 19
GPU-hours, of the user's machine from one line of benchmarks/training.py. Frozen passes are taken to
run at the same speed, which is cautious: they have no backward pass.
"""

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neco.config import Project
from neco.config.training import Train
from neco.errors import UserError
from neco.evaluate.protocol import PROTOCOLS
from neco.plan.arithmetic import BACKWARD, Shape, forward_flops, shape_of, training_flops
from neco.plan.images import OFFICIAL, image_count

PAPER_HOURS, PAPER_BACKBONE, PAPER_EPOCHS = 19.0, "dinov2xr-vits14", 25
"""ViT-S/14 without registers on COCO, one A6000-hour counted as one (paper, title, Table 9d)."""


@dataclass(frozen=True)
class RunCost:
    """GPU-hours of one training of a run; every seed costs as much."""

    run: str
    seeds: int
    hours: float


@dataclass(frozen=True)
class Speed:
    """Sustained operations a second of one GPU, and whose."""

    flops: float
    source: str


@dataclass(frozen=True)
class Cost:
    """GPU-hours of all jobs of a rule."""

    rule: str
    jobs: int
    hours: float


def paper_speed() -> Speed:
    """Return what the paper's GPU sustained, by its own figure."""
    images = PAPER_EPOCHS * OFFICIAL["coco"]["train"]
    work = images * training_flops(shape_of(PAPER_BACKBONE), Train())
    return Speed(work / (PAPER_HOURS * 3600), f"the paper's {PAPER_HOURS:g} GPU-hours on an A6000")


def measured_speed(path: Path) -> Speed:
    """Return the speed that the last line of benchmarks/training.py's JSON lines says.

    Raises UserError where there is no such line.
    """
    try:
        lines = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
        line = next(row for row in reversed(lines) if "images_per_second" in row)
        work = training_flops(shape_of(line["backbone"]), Train())
        flops = float(line["images_per_second"]) * work / line.get("processes", 1)
    except (OSError, ValueError, KeyError, StopIteration):
        raise UserError(
            f"{path}: no line with backbone and images_per_second; make it with "
            "python benchmarks/training.py --backbone dinov2xr-vits14 --json FILE"
        ) from None
    return Speed(flops, f"{line.get('device', 'this machine')}, {path.name}")


def gpu_hours(project: Project, speed: Speed) -> list[Cost]:
    """Return the cost of every rule that a GPU works for.

    k-means, communities, tables and figures run on the CPU and are not in it.
    """
    work: dict[str, list[float]] = defaultdict(list)
    for run in run_hours(project, speed):
        work["train"] += [run.hours * 3600 * speed.flops] * run.seeds
    for (rule, *_), flops in _frozen(project).items():
        work[rule].append(flops)
    return [Cost(rule, len(jobs), sum(jobs) / speed.flops / 3600) for rule, jobs in work.items()]


def run_hours(project: Project, speed: Speed) -> list[RunCost]:
    """Return what one training of every run costs."""
    costs = []
    for name, run in project.runs.items():
        settings = project.training(name)
        images = settings.epochs * image_count(project, settings.dataset, settings.split)
        if settings.steps is not None:
            images = settings.steps * settings.batch_size
        work = images * training_flops(shape_of(run.backbone), settings)
        costs.append(RunCost(name, len(run.seeds), work / speed.flops / 3600))
    return costs


@dataclass(frozen=True)
class _Work:
    """What the records' cost models ask (neco.evaluate.protocol.Work), of one model and dataset."""

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


def _frozen(project: Project) -> dict[tuple[Any, ...], float]:
    """Return the operations of every job that sends images through a backbone or searches them."""
    models = project.models()
    jobs: dict[tuple[Any, ...], float] = {}
    for protocol, dataset, model in project.evaluated():
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
