"""One training step: its parts, the host's share, what waits for the device, where time goes."""

import gc
import time
import warnings
from argparse import Namespace
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

import neco.loss
import neco.training.step
from benchmarks.gpu.bench import Bench, digits
from benchmarks.training import Parts, network, noise, training_settings
from neco.plan.arithmetic import shape_of, training_flops
from neco.training.compilation import compile_blocks
from neco.training.launch import launch
from neco.training.step import Training

WARM_UP = 4
STEPS = 12
BATCH = 64
CASES = (
    ("dinov2-vits14", False),
    ("dinov2-vits14", True),
    ("dinov2-vitb14", False),
    ("dinov2-vitb14", True),
)
"""Backbone, and whether its blocks are compiled"""
TOY = ["crops.global_size=32", "crops.local_size=16", "loss.references.count=16"]
DEAREST = 25
"""Rows of a profile"""
WAITING = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize", "cudaMemcpy")


def measure(bench: Bench) -> Iterator[dict[str, Any]]:
    """Yield a record of the step, of its parts and of what waits, for each backbone."""
    for backbone, compiled in bench.size(CASES, (("demo-vit", True),)):
        if bench.left() < (60 if compiled and not bench.rehearse else 15):
            return
        what = f"{backbone}, {'compiled' if compiled else 'eager'}"
        graphs = eager_graphs() if bench.rehearse and compiled else nullcontext()
        with bench.attempt(what), graphs:
            yield from of_step(bench, *make_training(bench, backbone, compiled))
        gc.collect()  # Parts and the training refer to each other
        if bench.device.type == "cuda":
            torch.cuda.empty_cache()


def eager_graphs() -> Any:
    """Return a context in which `compile` traces blocks as on a card but generates no code."""
    traced = partial(compile_blocks, backend="aot_eager")
    return patch.object(neco.training.step, "compile_blocks", traced)


def make_training(bench: Bench, backbone: str, compiled: bool) -> tuple[Training, Namespace]:
    """Return a training with random weights, as benchmarks.training makes it."""
    chosen = Namespace(
        backbone=backbone,
        batch=bench.size(BATCH, 2),
        steps=bench.size(STEPS, 1),
        workers=0,
        precision="auto",
        set=[f"compile={str(compiled).lower()}", *bench.size([], TOY)],
    )
    settings = training_settings(chosen)
    fabric = launch(1, 1, settings.precision, bench.device.type)
    return Training(network(backbone, settings.drop_path), settings, 10_000, fabric), chosen


def of_step(bench: Bench, training: Training, chosen: Namespace) -> Iterator[dict[str, Any]]:
    """Yield what one training's step costs."""
    views = noise(training.settings, training)
    if bench.device.type == "cuda":
        views = type(views)(*(part.pin_memory() for part in views))
    common = {"backbone": chosen.backbone, "compiled": training.settings.compile}
    taken = 0

    def take(count: int, parts: Parts | None = None) -> None:
        nonlocal taken
        for _ in range(count):
            training.step(views, taken)
            taken += 1
            if parts:
                parts.collect()

    began = time.perf_counter()
    take(bench.size(WARM_UP, 1))
    bench.wait()
    warming = time.perf_counter() - began
    bench.peak_mb()
    began, spent = time.perf_counter(), time.thread_time()
    take(chosen.steps)
    queued, host = time.perf_counter() - began, time.thread_time() - spent
    bench.wait()
    seconds = (time.perf_counter() - began) / chosen.steps
    settings = training.settings
    flops = training_flops(shape_of(chosen.backbone), settings)
    yield {
        "measured": "step",
        **common,
        "data": "noise in memory",
        "batch_size": settings.batch_size,
        "precision": training.fabric.strategy.precision.precision,
        "warm_up_seconds": digits(warming),
        "step_ms": digits(1000 * seconds),
        "host_queues_ms": digits(1000 * queued / chosen.steps),
        "host_thread_ms": digits(1000 * host / chosen.steps),
        "images_per_second": digits(settings.batch_size / seconds, 5),
        "gflop_per_image": digits(flops / 1e9),
        "tflops_sustained": digits(flops * settings.batch_size / seconds / 1e12),
        "peak_mb": bench.peak_mb(),
    }
    yield {"measured": "waits", **common, **waits(bench, lambda: take(1))}
    yield {"measured": "profile", **common, **profile(bench, common, lambda: take(1))}
    with (  # Parts wraps both for good, and the next training is not to be timed by this one
        patch.object(neco.loss, "sorting_cross_entropy", neco.loss.sorting_cross_entropy),
        patch.object(neco.training.step, "follow", neco.training.step.follow),
    ):
        parts = Parts(training)
        take(bench.size(8, 1), parts)
    yield {
        "measured": "parts of a step",
        **common,
        "milliseconds": {
            part: digits(1000 * sorted(values)[len(values) // 2])
            for part, values in parts.seconds.items()
        },
    }


def waits(bench: Bench, step: Any) -> dict[str, Any]:
    """Return how often PyTorch says that a step made the host wait, and where first."""
    if bench.device.type != "cuda":
        step()
        return {"host_waits": None, "note": "only a card's queue can be waited for"}
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    places = [f"{Path(w.filename).name}:{w.lineno}" for w in told if "synchroniz" in str(w.message)]
    return {"host_waits": len(places), "where": sorted(set(places))[:10]}


def profile(bench: Bench, common: dict[str, Any], step: Any) -> dict[str, Any]:
    """Write the dearest operators beside the results; return calls of a step that may wait."""
    with torch.profiler.profile() as profiled:
        step()
        bench.wait()
    averages = profiled.key_averages()
    order = "self_device_time_total" if bench.device.type == "cuda" else "self_cpu_time_total"
    table = averages.table(sort_by=order, row_limit=DEAREST, max_name_column_width=60)
    folder = bench.results.parent if bench.results else bench.scratch
    how = "compiled" if common["compiled"] else "eager"
    name = f"profile-{common['backbone']}-{how}.txt"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(table)
    return {
        "file": name,
        "kernels": sum(event.count for event in averages if "CUDA" in str(event.device_type)),
        "calls_that_may_wait": {
            event.key: event.count for event in averages if event.key.startswith(WAITING)
        },
    }
