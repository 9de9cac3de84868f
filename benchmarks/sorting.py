"""The sorting loss against diffsort, side by side: time, peak memory, gradient.

    python -m benchmarks.sorting --images 16 --width 49 --threads 1 --json -

A case is a forward and backward pass from the loss to the student's features: 49 patches an image,
256 channels, `width` references an image, cosine similarities, Cauchy relaxation at steepness 100
(both changeable), `pairs` crop pairs in one backward pass. Each path and diffsort take turns in one
process; times are medians of wall time. Memory is what a step adds at its peak to a process of its
own. A gradient error is the largest difference, relative to the largest entry, at up to 4 images:
to diffsort in float32, and, with diffsort's own error, to diffsort in float64.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import diffsort
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.records import append, read
from neco.sorting import SortSettings, sorting_cross_entropy

PATCHES, CHANNELS = 49, 256
PATHS = ("compiled", "torch", "triton", "reference")
# diffsort keeps about this many copies of Q per layer (measured: 0.68 GB at 784 rows of 49).
COPIES_PER_LAYER = 4.3


@dataclass(frozen=True)
class Case:
    images: int
    width: int
    pairs: int
    threads: int
    network: str
    relaxation: str
    steepness: float
    device: str
    features: str


def main() -> None:
    arguments = parse_arguments()
    if arguments.measure_memory:
        path, case = arguments.measure_memory
        print(extra_memory(path, Case(**json.loads(case))))
        return
    records = []
    for images, width, pairs, threads, network in itertools.product(
        arguments.images, arguments.width, arguments.pairs, arguments.threads, arguments.network
    ):
        case = Case(
            images, width, pairs, threads or os.cpu_count() or 1, network,
            arguments.relaxation, arguments.steepness, arguments.device, arguments.features,
        )  # fmt: skip
        for record in measure(case, arguments.paths, arguments.repeats):
            if arguments.vit_step:
                record |= share_of_training_step(record["seconds"], arguments.vit_step, case)
            records.append(record)
            if arguments.json == "-":
                print(json.dumps(record), flush=True)
            elif arguments.json:
                append(Path(arguments.json), record)
    if arguments.json != "-":
        print(table(records))
    if arguments.plot:
        if arguments.json and arguments.json != "-":
            records = read(Path(arguments.json))
        plot(records, arguments.plot)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, nargs="+", default=[16])
    parser.add_argument("--width", type=int, nargs="+", default=[49], help="references an image")
    parser.add_argument("--pairs", type=int, nargs="+", default=[1], help="crop pairs a backward")
    parser.add_argument("--threads", type=int, nargs="+", default=[1], help="0 for all")
    parser.add_argument("--network", nargs="+", default=["bitonic"])
    parser.add_argument("--relaxation", default="cauchy")
    parser.add_argument("--steepness", type=float, default=100.0)
    parser.add_argument("--paths", nargs="+", choices=PATHS, help="default: those of the device")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--features", default="random", choices=["random", "clustered"])
    parser.add_argument("--repeats", type=int, default=5, help="turns of diffsort")
    parser.add_argument("--json", help="file to append JSON lines to, or - for the output")
    parser.add_argument("--plot", help="PNG of the records in --json, or of this run")
    parser.add_argument("--vit-step", type=int, metavar="BATCH", help="against a ViT-S/14 step")
    parser.add_argument("--measure-memory", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.paths = arguments.paths or (
        ["compiled", "torch"] if arguments.device == "cpu" else ["triton", "torch"]
    )
    return arguments


def measure(case: Case, paths: list[str], repeats: int) -> Iterator[dict]:
    """Time the paths of a case in turns with diffsort; yield one record a path."""
    torch.set_num_threads(case.threads)
    peer_case = affordable(case)
    features = make_features(case)
    steps = {path: make_step(path, case, features) for path in paths}
    for step in steps.values():
        step()  # builds, plans, warms up
    seconds: dict[str, list[float]] = {path: [] for path in [*paths, "diffsort"]}
    peer_step = make_step("diffsort", peer_case, make_features(peer_case)) if peer_case else None
    for _ in range(repeats):
        if peer_step:
            seconds["diffsort"].append(timed(peer_step, case))
        for path, step in steps.items():
            seconds[path] += [timed(step, case) for _ in range(3)]
    scale = case.images / peer_case.images if peer_case else None
    peer_seconds = scale and statistics.median(seconds["diffsort"]) * scale
    # How much diffsort adds depends on how its heap happens to be laid out: the median of three.
    peer_memory = scale and scale * statistics.median(
        in_child("diffsort", peer_case) for _ in range(3 if scale == 1 else 1)
    )
    for path in paths:
        own_seconds, memory = statistics.median(seconds[path]), in_child(path, case)
        yield {
            "path": path,
            **asdict(case),
            "time_ratio": peer_seconds and round(peer_seconds / own_seconds, 1),
            "memory_ratio": peer_memory and round(peer_memory / max(memory, 0.1), 1),
            **(gradient_errors(path, peer_case) if peer_case else {"gradient_error": None}),
            "seconds": round(own_seconds, 6),
            "diffsort_seconds": peer_seconds and round(peer_seconds, 4),
            "extra_memory_mb": round(memory, 1),
            "diffsort_extra_memory_mb": peer_memory and round(peer_memory, 1),
            # diffsort was run at this many images and scaled linearly, if fewer than `images`
            "diffsort_images": peer_case and peer_case.images,
            "turns": repeats,
            "torch": torch.__version__,
        }


def affordable(case: Case, share: float = 0.4) -> Case | None:
    """Return the case, with fewer images where diffsort needs more of the memory, or None."""
    exponent = (case.width - 1).bit_length()
    layers = exponent * (exponent + 1) // 2 if case.network == "bitonic" else case.width
    image = PATCHES * case.width**2 * 4 * layers * COPIES_PER_LAYER * case.pairs
    if case.device == "cuda":
        memory = torch.cuda.get_device_properties(0).total_memory
    else:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    images = min(case.images, int(memory * share // image))
    return Case(**asdict(case) | {"images": images}) if images else None


def make_features(case: Case) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Return per pair student (with gradient), teacher and reference features
    (images, patches or references, channels): independent, or clustered with near sides."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    def features(count: int) -> Tensor:
        clusters = torch.randint(len(centres), (case.images, count), generator=generator)
        return clustered * centres[clusters] + normal(case.images, count, CHANNELS)

    centres, clustered = normal(21, CHANNELS), float(case.features == "clustered")
    pairs = []
    for _ in range(case.pairs):
        teacher, references = features(PATCHES), features(case.width)
        student = clustered * teacher + 0.5 * normal(*teacher.shape)
        student = student.to(case.device).requires_grad_()
        pairs.append((student, teacher.to(case.device), references.to(case.device)))
    return pairs


def similarities(features: Tensor, references: Tensor) -> Tensor:
    """Return (images x patches, references): cosine similarities within each image."""
    features = functional.normalize(features, dim=2)
    return torch.bmm(features, functional.normalize(references, dim=2).mT).flatten(0, 1)


def make_step(path: str, case: Case, features: list) -> Callable[[], list[Tensor]]:
    """Return a function that runs forward and backward and returns the features' gradients."""
    settings = SortSettings(
        network=case.network,
        relaxation=case.relaxation,
        student_steepness=case.steepness,
        teacher_steepness=case.steepness,
        two_way=False,
        implementation="auto" if path == "diffsort" else path,
    )
    sorter = make_diffsort(case, features[0][0].dtype) if path == "diffsort" else None

    def pair_loss(student: Tensor, teacher: Tensor, references: Tensor) -> Tensor:
        student = similarities(student, references)
        with torch.no_grad():
            teacher = similarities(teacher, references)
        if sorter is None:
            return sorting_cross_entropy(student, teacher, settings).loss.mean()
        with torch.no_grad():
            target = sorter(teacher)[1]
        return -(target * sorter(student)[1].log()).sum(dim=2).mean()

    def step() -> list[Tensor]:
        loss = torch.stack([pair_loss(*pair) for pair in features]).mean()
        return list(torch.autograd.grad(loss, [student for student, _, _ in features]))

    return step


def make_diffsort(case: Case, dtype: torch.dtype) -> diffsort.DiffSortNet:
    sorter = diffsort.DiffSortNet(
        case.network, case.width, device=case.device, steepness=case.steepness,
        distribution=case.relaxation,
    )  # fmt: skip
    sorter.sorting_network = [[m.to(dtype) for m in layer] for layer in sorter.sorting_network]
    return sorter


def timed(step: Callable[[], object], case: Case) -> float:
    synchronize = torch.cuda.synchronize if case.device == "cuda" else lambda: None
    synchronize()
    start = time.perf_counter()
    step()
    synchronize()
    return time.perf_counter() - start


def gradient_errors(path: str, case: Case) -> dict[str, float | None]:
    """Return the errors against diffsort at up to 4 images of one pair, in this process."""
    small = affordable(Case(**asdict(case) | {"images": min(case.images, 4), "pairs": 1}), 0.12)
    if small is None:
        return {"gradient_error": None}
    features = make_features(small)
    double = [tuple(side.detach().double() for side in features[0])]
    double[0][0].requires_grad_()
    sides = ((path, features), ("diffsort", features), ("diffsort", double))
    (own,), (peer,), (exact,) = (make_step(name, small, side)() for name, side in sides)

    def error(one: Tensor, other: Tensor) -> float:
        return float(f"{(one - other).abs().max() / other.abs().max():.2e}")

    return {
        "gradient_error": error(own, peer),
        "gradient_error_float64": error(own, exact),
        "diffsort_error_float64": error(peer, exact),
    }


def in_child(path: str, case: Case) -> float:
    command = [
        sys.executable,
        "-m",
        "benchmarks.sorting",
        "--measure-memory",
        path,
        json.dumps(asdict(case)),
    ]
    finished = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 (own words, no shell)
    return float(finished.stdout.splitlines()[-1])


def extra_memory(path: str, case: Case) -> float:
    """Return the MB that one step adds at its peak to a process that ran a small one before."""
    torch.set_num_threads(case.threads)
    small = Case(**asdict(case) | {"images": 1, "pairs": 1, "width": min(case.width, 49)})
    make_step(path, small, make_features(small))()
    step = make_step(path, case, make_features(case))
    if case.device == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        step()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark is what is held now
    before = resident_peak()
    step()
    return resident_peak() - before


def resident_peak() -> float:
    """Return the most memory that this process held at once, in MB (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(dict(line.split(":", 1) for line in lines)["VmHWM"].split()[0]) / 1024


def share_of_training_step(seconds: float, batch: int, case: Case) -> dict:
    """Time a ViT-S/14 step: teacher on 2 global crops, student forward and backward on 2 global
    (224) and 4 local (98) crops of `batch` images, bfloat16; the loss itself is left out."""
    import timm

    name, size = "vit_small_patch14_dinov2", {"img_size": 224, "dynamic_img_size": True}
    student, teacher = (timm.create_model(name, **size).to(case.device) for _ in range(2))
    optimizer = torch.optim.AdamW(student.parameters(), fused=case.device == "cuda")
    crops = torch.randn(2 * batch, 3, 224, 224, device=case.device)
    local = torch.randn(4 * batch, 3, 98, 98, device=case.device)

    def step() -> None:
        with torch.autocast(case.device, dtype=torch.bfloat16):
            with torch.no_grad():
                teacher.forward_features(crops)
            outputs = [student.forward_features(images) for images in (crops, local)]
            loss = sum(output.float().square().mean() for output in outputs)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    step()
    vit_seconds = statistics.median(timed(step, case) for _ in range(5))
    return {
        "vit_batch": batch,
        "vit_step_seconds": round(vit_seconds, 5),
        "share_of_step": round(seconds / (seconds + vit_seconds), 4),
    }


def table(records: list[dict]) -> str:
    names = ("path", "network", "images", "width", "pairs", "threads", "time_ratio",
             "memory_ratio", "gradient_error", "seconds", "extra_memory_mb")  # fmt: skip
    rows = [names, *([str(record[name]) for name in names] for record in records)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ([cell.rjust(w) for cell, w in zip(row, widths, strict=True)] for row in rows)
    return "\n".join("  ".join(line) for line in lines)


def plot(records: list[dict], target: str) -> None:
    """Draw time and memory of a step against the width (16 images, one pair, one thread)."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.6), constrained_layout=True)
    chosen = [r for r in records if (r["images"], r["pairs"], r["threads"]) == (16, 1, 1)]
    chosen = [r for r in chosen if r["network"] == "bitonic" and r["relaxation"] == "cauchy"]
    labels = {"seconds": "seconds a step", "extra_memory_mb": "extra memory, MB"}
    for axis, (key, label) in zip(axes, labels.items(), strict=True):
        lines: dict[str, dict[int, float]] = {}
        for record in chosen:
            lines.setdefault(record["path"], {})[record["width"]] = record[key]
            if record[f"diffsort_{key}"] is not None:
                lines.setdefault("diffsort", {})[record["width"]] = record[f"diffsort_{key}"]
        for name, points in sorted(lines.items()):
            widths = sorted(points)
            axis.plot(widths, [points[width] for width in widths], marker="o", label=name)
        axis.set(xscale="log", yscale="log", xlabel="references (width)", ylabel=label)
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.grid(alpha=0.3)
        axis.legend(title="16 images, one pair, one thread", fontsize=8, title_fontsize=8)
    figure.savefig(target, dpi=150)


if __name__ == "__main__":
    main()
