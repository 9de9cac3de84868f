"""End to end from JPEGs on disk: images a second, and how long a step waits for them."""

import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.gpu.bench import Bench, digits
from benchmarks.gpu.bundle import photographs_in
from benchmarks.gpu.step import make_training
from neco.data.dataset import Dataset, Item
from neco.plan.arithmetic import shape_of, training_flops
from neco.training.batches import view_loader
from neco.training.step import Training

ENOUGH = 0.05
"""Share of waiting below which the workers keep up"""
SECONDS = 6.0
"""That one way of reading is measured for"""
MOST_STEPS = 200


def measure(bench: Bench) -> Iterator[dict[str, Any]]:
    """Yield, for crops cut on the device and by workers, images a second for 2, 4, ... workers."""
    folder = photographs_in(bench.bundle, bench.scratch, toy=bench.rehearse)
    files = sorted(path for path in folder.rglob("*.jpg"))
    yield {
        "measured": "photographs",
        "files": len(files),
        "mean_kb": digits(sum(file.stat().st_size for file in files) / len(files) / 1024),
        "source": "bundle" if bench.bundle else "rendered here",
    }
    backbone = bench.size("dinov2-vits14", "demo-vit")
    training, _ = make_training(bench, backbone, compiled=not bench.rehearse)
    dataset = repeated(files, bench.size(200_000, 8))
    for views in ("device", "cpu"):
        for workers in worker_counts(bench):
            if bench.left() < SECONDS + 10:
                return
            with bench.attempt(f"views {views}, {workers} workers"):
                record = end_to_end(bench, training, dataset, views, workers)
                flops = training_flops(shape_of(backbone), training.settings)
                yield (
                    {"measured": "end to end", "backbone": backbone, "data": "JPEGs"}
                    | record
                    | {"gflop_per_image": digits(flops / 1e9)}
                )
                if record["data_wait"] < ENOUGH:
                    break


def worker_counts(bench: Bench) -> list[int]:
    """Return the numbers of workers to try, up to one for each processor."""
    processors = os.cpu_count() or 1
    doubling = itertools.takewhile(lambda n: n < processors, (2, 4, 8, 16, 32, 64))
    return bench.size([*doubling, processors], [0])


def repeated(files: list[Path], images: int) -> Dataset:
    """Return a dataset of so many images that read these files again and again."""
    items = [
        Item(str(number), file, None, "train")
        for number, file in zip(range(images), itertools.cycle(files), strict=False)
    ]
    return Dataset("photographs", files[0].parent, "train", [], items)


def end_to_end(
    bench: Bench, training: Training, dataset: Dataset, views: str, workers: int
) -> dict[str, Any]:
    """Return images a second and the share of time that steps wait, the first steps left out."""
    steps = bench.size(MOST_STEPS, 2)
    settings = training.settings.model_copy(
        update={"views": views, "workers": workers, "steps": steps}
    )
    batches = iter(view_loader(dataset, settings, 0))
    before = bench.size(2 + workers // 8, 1)
    for step in range(before):
        training.step(next(batches), step)
    bench.wait()
    began, waited, taken = time.perf_counter(), 0.0, 0
    last = bench.mark()
    for step in range(before, steps):
        last()  # one step ahead of the device, as far as a host should get
        asked = time.perf_counter()
        batch = next(batches)
        waited += time.perf_counter() - asked
        last = bench.mark()
        training.step(batch, step)
        taken += 1
        if time.perf_counter() - began > SECONDS:
            break
    bench.wait()
    seconds = time.perf_counter() - began
    return {
        "views": views,
        "workers": workers,
        "compiled": settings.compile,
        "batch_size": settings.batch_size,
        "steps": taken,
        "images_per_second": digits(taken * settings.batch_size / seconds, 5),
        "data_wait": digits(waited / seconds, 3),
    }
