"""GPU-hours of a project by rule, from its arithmetic and one speed.

The speed is what a GPU sustains in NeCo's own training: of the paper's A6000 it follows from its 19
GPU-hours, of the user's machine from one line of benchmarks/training.py. Frozen passes are taken to
run at the same speed, which is cautious: they have no backward pass.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neco.config import Project
from neco.config.training import Train
from neco.errors import UserError
from neco.evaluate.transforms import input_side
from neco.paper.conditions import HOURS, HOURS_BACKBONE, TRAINING
from neco.plan.arithmetic import BACKWARD, forward_flops, shape_of, training_flops
from neco.plan.images import image_count
from neco.report.needs import Needs, everything


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
    images = TRAINING["epochs"] * TRAINING["images"]
    work = images * training_flops(shape_of(HOURS_BACKBONE), Train())
    return Speed(work / (HOURS * 3600), f"the paper's {HOURS:g} GPU-hours on an A6000")


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


def gpu_hours(project: Project, speed: Speed, needs: Needs | None = None) -> list[Cost]:
    """Return the cost of every rule that a GPU works for, of all or of what `needs` names.

    k-means, communities, tables and figures run on the CPU and are not in it.
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
        costs.append(RunCost(name, seeds[name], work / speed.flops / 3600))
    return costs


def _features(project: Project, needs: Needs) -> dict[tuple[Any, ...], float]:
    """Return the operations of every job that extracts features for figures."""
    jobs: dict[tuple[Any, ...], float] = {}
    for model, dataset, split, image_size, _ in needs.features.values():
        shape = shape_of(project.models()[model][0])
        side = input_side(image_size, shape.patch_size if shape else 1)
        images = image_count(project, dataset, split)
        jobs["extract", dataset, split, model, side] = images * forward_flops(shape, side)
    return jobs


def _frozen(
    project: Project, metrics: Iterable[tuple[str, str, str]]
) -> dict[tuple[Any, ...], float]:
    """Return the operations of every job of `metrics` that sends images through a backbone."""
    models = project.models()
    jobs: dict[tuple[Any, ...], float] = {}
    for protocol, dataset, model in metrics:
        settings = project.settings_for(protocol, dataset, model)
        shape = shape_of(models[model][0])
        splits = project.datasets[dataset]
        if protocol == "segmenter":
            side = settings.crop_size
            step = (1 + BACKWARD) * settings.batch_size * forward_flops(shape, side)
            for rate in settings.learning_rates:
                for seed in settings.seeds:
                    jobs["fine_tune", dataset, model, rate, seed] = settings.iterations * step
            continue
        side = input_side(settings.image_size, shape.patch_size if shape else 1)
        each = forward_flops(shape, side)
        read = {splits.val}
        if protocol == "linear" and settings.augment:
            images = image_count(project, dataset, splits.train) * settings.train_fraction
            jobs["linear", dataset, model] = len(settings.seeds) * settings.epochs * images * each
        elif protocol in ("linear", "in-context"):
            read.add(splits.train)
        elif protocol == "unsupervised":
            read.add(settings.train_split)
        for split in read:
            flops = image_count(project, dataset, split) * each
            jobs["extract", dataset, split, model, side] = flops
            if protocol == "unsupervised":
                jobs["attend", dataset, split, model, side] = flops
        if protocol == "in-context" and shape:
            queries = image_count(project, dataset, splits.val) * (side // shape.patch_size) ** 2
            train = image_count(project, dataset, splits.train)
            largest = min(settings.memory_size, train * (side // shape.patch_size) ** 2)
            banks = sum(
                len(settings.seeds) / share if share > 1 else 1.0 for share in settings.fractions
            )
            jobs["in_context", dataset, model] = 2 * queries * largest * banks * shape.dim
    return jobs
