"""The sorting loss on the card: right, and how fast beside others and beside the card's limits."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import torch
from torch import Tensor

from benchmarks import records
from benchmarks.gpu.bench import Bench, digits
from neco.sorting import SortSettings, sorting_cross_entropy
from neco.sorting.implementations import automatic

WIDTHS = (49, 64, 32, 128, 256)
"""In the order of their worth: a first use compiles for ten seconds (49) to a minute (256)."""
RELAXATIONS = ("cauchy", "logistic", "logistic_phi")
STEEPNESS = 100.0
BATCH_ROWS = 64 * 49 * 10
"""Rows of a step: 64 images, 49 patches, 10 pairs of crops"""
FLOPS = 11
"""A layer's arithmetic for one wire and input: push of both sides, pull and slope of one."""


def measure(bench: Bench) -> Iterator[dict[str, Any]]:
    """Yield, per width, errors against float64, then times; diffsort's last."""
    helpers = [] if bench.rehearse else warm_others(WIDTHS[1:])
    try:
        for width in bench.size(WIDTHS, (8, 13)):
            if bench.left() < 5:
                return
            with bench.attempt(f"{width} references"):
                for two_way, relaxation in product((False, True), RELAXATIONS):
                    yield errors(bench, width, relaxation, two_way)
                for two_way in (False, True):
                    yield times(bench, width, two_way)
    finally:
        for helper in helpers:
            helper.kill()
            helper.wait()
    yield from beside_diffsort(bench)


def settings_of(relaxation: str, two_way: bool, implementation: str = "auto") -> SortSettings:
    """Return the settings of the benchmark."""
    return SortSettings(
        network="bitonic",
        relaxation=relaxation,  # type: ignore[arg-type]
        student_steepness=STEEPNESS,
        teacher_steepness=STEEPNESS,
        two_way=two_way,
        implementation=implementation,  # type: ignore[arg-type]
    )


def loss_and_gradient(
    student: Tensor, teacher: Tensor, settings: SortSettings
) -> tuple[Tensor, Tensor]:
    """Return the rows' losses and the gradient of their sum to the student."""
    student = student.detach().requires_grad_()
    loss = sorting_cross_entropy(student, teacher, settings).loss
    loss.sum().backward()
    assert student.grad is not None
    return loss.detach(), student.grad


def errors(bench: Bench, width: int, relaxation: str, two_way: bool) -> dict[str, Any]:
    """Return the largest errors against plain autograd in float64, relative to the largest value.

    Values are as the loss has them: cosines of random features, and a few exact ties.
    """
    rows = bench.size(48, 4)
    generator = torch.Generator().manual_seed(width)
    student, teacher = torch.rand(2, rows, width, generator=generator)
    student[0, : width // 2] = student[0, 0]
    student, teacher = student.to(bench.device), teacher.to(bench.device)
    path = path_of(bench, width)  # by name: `auto` would take another where this one fails
    ours = loss_and_gradient(student, teacher, settings_of(relaxation, two_way, path))
    exact = loss_and_gradient(
        student.double(), teacher.double(), settings_of(relaxation, two_way, "reference")
    )

    def error(our: Tensor, true: Tensor) -> float:
        return digits(((our - true).abs().max() / true.abs().max()).item(), 3)

    return {
        "measured": "error",
        "width": width,
        "relaxation": relaxation,
        "two_way": two_way,
        "path": path,
        "loss_error": error(ours[0], exact[0]),
        "gradient_error": error(ours[1][1:], exact[1][1:]),
        "finite": bool(ours[1].isfinite().all()),
    }


def path_of(bench: Bench, width: int) -> str:
    """Return who computes the loss here: triton, torch, compiled."""
    return automatic(bench.device.type, "bitonic", width, False)


def times(bench: Bench, width: int, two_way: bool) -> dict[str, Any]:
    """Return seconds of loss and gradient for the rows of a step, and the card's two floors."""
    rows = bench.size(BATCH_ROWS if width <= 64 else BATCH_ROWS // 8, 64)
    student, teacher = torch.rand(2, rows, width, device=bench.device)
    path = path_of(bench, width)
    bench.peak_mb()
    seconds = bench.time(
        lambda: loss_and_gradient(student, teacher, settings_of("cauchy", two_way, path)), 10
    )
    record = {
        "measured": "time",
        "width": width,
        "rows": rows,
        "two_way": two_way,
        "path": path,
        "milliseconds": digits(1000 * seconds),
        "peak_mb": bench.peak_mb(),
        **floors(bench, rows, width),
    }
    if path == "triton":
        few = slice(0, max(1, rows // 8))
        plain = bench.time(
            lambda: loss_and_gradient(
                student[few], teacher[few], settings_of("cauchy", two_way, "torch")
            ),
            3,
        )
        record["torch_path_milliseconds"] = digits(1000 * plain * rows / len(student[few]))
    return record


def floors(bench: Bench, rows: int, width: int) -> dict[str, float]:
    """Return the milliseconds that memory traffic and arithmetic take at the rates of card.py.

    Traffic: both sides in, gradient and losses out, once. Arithmetic: every layer on every wire of
    every input, at the rate of float32 matrix products; early layers need less.
    """
    lines = records.read(bench.results) if bench.results else []
    own = [row for row in lines if row["part"] == "card" and row["rehearsed"] == bench.rehearse]
    found = {}
    copy = next((row for row in own if row.get("measured") == "copy"), None)
    if copy:
        moved = 4 * rows * (3 * width + 2)
        found["memory_floor_ms"] = digits(moved / copy["gb_per_second"] / 1e6)
    single = next((row for row in own if row.get("dtype") == "float32"), None)
    if single:
        exponent = (width - 1).bit_length()
        work = FLOPS * rows * width**2 * exponent * (exponent + 1) / 2
        found["arithmetic_floor_ms"] = digits(work / single["tflops"] / 1e9)
    return found


def beside_diffsort(bench: Bench) -> Iterator[dict[str, Any]]:
    """Yield times of both on the same values, one way, at rows that diffsort has memory for."""
    if importlib.util.find_spec("diffsort") is None:
        yield {"measured": "diffsort", "note": "not installed: diffsort; no comparison"}
        return
    for width in bench.size((49, 32, 64, 128), (8,)):
        if bench.left() < 3:
            return
        rows = bench.size(784 if width <= 64 else 196, 16)
        student, teacher = torch.rand(2, rows, width, device=bench.device)
        theirs = diffsort_step(bench, width, student, teacher)
        seconds = bench.time(theirs, 3)
        peak = bench.peak_mb()
        own = bench.time(
            lambda s=student, t=teacher: loss_and_gradient(s, t, settings_of("cauchy", False))
        )
        yield {
            "measured": "diffsort",
            "width": width,
            "rows": rows,
            "path": path_of(bench, width),
            "milliseconds": digits(1000 * own),
            "diffsort_milliseconds": digits(1000 * seconds),
            "diffsort_peak_mb": peak,
            "ratio": digits(seconds / own),
        }


def diffsort_step(bench: Bench, width: int, student: Tensor, teacher: Tensor) -> Callable[[], None]:
    """Return diffsort's loss and gradient, as the reference implementation calls it."""
    import diffsort

    sorter = diffsort.DiffSortNet(
        "bitonic", width, device=bench.device, steepness=STEEPNESS, distribution="cauchy"
    )

    def step() -> None:
        values = student.detach().requires_grad_()
        with torch.no_grad():
            target = sorter(teacher)[1]
        loss = -(target * sorter(values)[1].clamp_min(1e-30).log()).sum(dim=2).mean(dim=1)
        loss.sum().backward()

    return step


def warm_others(widths: tuple[int, ...]) -> list[subprocess.Popen[bytes]]:
    """Start compiling the kernels of the later widths beside the first one, into Triton's cache.

    With fewer than four processors it would only get in the way.
    """
    if (os.cpu_count() or 1) < 4:
        return []
    return [
        subprocess.Popen([sys.executable, "-m", "benchmarks.gpu.sort", str(width)])
        for width in widths
    ]


def warm(width: int) -> None:
    """Compile every kernel that `measure` launches at this width."""
    student, teacher = torch.rand(2, 2, width, device="cuda")
    for two_way, relaxation in product((False, True), RELAXATIONS):
        loss_and_gradient(student, teacher, settings_of(relaxation, two_way))


if __name__ == "__main__":
    warm(int(sys.argv[1]))
