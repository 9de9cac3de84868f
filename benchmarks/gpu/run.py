"""A short NeCo run on photographs, evaluated before and after: does it train on a card."""

import csv
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.gpu.bench import Bench, digits
from benchmarks.gpu.bundle import photographs_in, weights_in
from neco.backbones.load import load_backbone
from neco.config import Train
from neco.config.base import validated
from neco.config.extraction import Extraction
from neco.config.in_context import InContext
from neco.data.dataset import Dataset, read_dataset
from neco.evaluate import in_context
from neco.features import extract_features
from neco.training import train

STEPS = 120
BATCH = 32
SIDE = 224
"""Pixels at which features are compared"""


def measure(bench: Bench) -> Iterator[dict[str, Any]]:
    """Yield in-context mIoU before, the curve of the run, and mIoU after."""
    folder = photographs_in(bench.bundle, bench.scratch, toy=bench.rehearse)
    name, weights = ("demo-vit", None) if bench.rehearse else weights_in(bench.bundle)
    train_set, val_set = read_dataset(folder, "train"), read_dataset(folder, "val")
    about = {
        "backbone": name,
        "train_images": len(train_set),
        "val_images": len(val_set),
        "dataset": train_set.name,
    }
    before = evaluated(bench, name, weights, train_set, val_set, "before")
    yield {"measured": "in-context", "when": "before", **about, **before}
    settings = training_settings(bench, len(train_set))
    output = train(load_backbone(name, weights), train_set, settings, bench.scratch / "run")
    yield {"measured": "curve", **about, "steps": settings.steps} | curve(
        output.parent / "metrics.csv"
    )
    after = evaluated(bench, name, output, train_set, val_set, "after")
    yield {"measured": "in-context", "when": "after", **about, **after}


def training_settings(bench: Bench, images: int) -> Train:
    """Return the defaults of a training, shortened."""
    values: dict[str, Any] = {
        "steps": bench.size(STEPS, 2),
        "batch_size": min(bench.size(BATCH, 2), images),
        "precision": "auto",
        "workers": bench.size(8, 0),
        "log_every": bench.size(10, 1),
        "optimiser": {"warmup_steps": bench.size(10, 0)},
    }
    if bench.rehearse:
        values |= {"crops": {"global_size": 32, "local_size": 16}}
        values |= {"loss": {"references": {"count": 16}}}
    return validated(Train, values, "run")


def evaluated(
    bench: Bench, name: str, weights: Path | None, train_set: Dataset, val_set: Dataset, when: str
) -> dict[str, Any]:
    """Return in-context mIoU in per cent, and the seconds that features and evaluation took."""
    backbone = load_backbone(name, weights).to(bench.device)
    extraction = Extraction(workers=bench.size(8, 0))
    side = bench.size(SIDE, 32)
    features = [
        extract_features(
            backbone, part, side, extraction, bench.scratch / when / part.split, {"model": name}
        )
        for part in (train_set, val_set)
    ]
    settings = InContext(image_size=side, fractions=[1], bootstrap=0)
    metrics = in_context.evaluate(
        features[0], train_set, features[1], val_set, settings, bench.device.type
    )
    conditions = metrics.conditions
    return {
        "miou": digits(metrics.mIoU),
        "search": conditions.search,
        "seconds": conditions.wall_seconds,
        "feature_seconds": conditions.feature_seconds,
    }


def curve(path: Path) -> dict[str, Any]:
    """Return what metrics.csv says of loss, collapse and speed, row by row."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = ("step", "loss", "excess", "information", "head_rank", "images_per_second")
    told = {name: [digits(float(row[name])) for row in rows] for name in columns}
    speeds = told.pop("images_per_second")
    return {
        "curve": told,
        "finite": all(math.isfinite(value) for value in told["loss"]),
        "last_images_per_second": speeds[-1],
    }
