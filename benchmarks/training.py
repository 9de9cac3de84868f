"""What a NeCo step costs, whole and part by part, on this machine.

    python -m benchmarks.training --backbone dinov2r-vits14 --batch 64 --json -
    python -m benchmarks.training --batch 64 --images FOLDER --workers 14 --json training.jsonl
    python -m benchmarks.training --batch 256 --devices 4 --set compile=true --json -

Weights are random: their values change no time. Half of the steps run as a training does and give
images/s and, with --images, `data wait`, how long a step waits for its photographs; the other half
are timed part by part, by events on a GPU. `neco plan --measured` reads the lines.
"""

import argparse
import json
import resource
import statistics
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

import neco.loss
import neco.training.step
from benchmarks.records import append
from neco.backbones.backbone import Backbone
from neco.backbones.registry import backbone_spec
from neco.config import Train
from neco.config.base import merged, validated
from neco.data.dataset import Dataset, Item
from neco.evaluate.conditions import git_commit
from neco.plan.arithmetic import shape_of, training_flops
from neco.precision import device_name
from neco.training.batches import view_loader
from neco.training.launch import launch
from neco.training.step import Training
from neco.views import Views

WARM_UP = 2
"""Steps before anything is timed: kernels are built, memory is there."""
PEAKS = {"H100": 989.0, "A100": 312.0, "A6000": 155.0, "4090": 165.0}
"""TFLOP/s in bfloat16 without sparsity, by the vendor, of devices whose name holds the key."""


def arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default="dinov2r-vits14")
    parser.add_argument("--batch", type=int, default=64, help="of all processes together")
    parser.add_argument("--accelerator", default="auto", help="cuda or cpu")
    parser.add_argument("--devices", type=int, default=1, help="processes, one per device")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU, for each process")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--steps", type=int, default=10, help="timed, as a whole and by part each")
    parser.add_argument("--images", type=Path, help="folder of JPEGs; without it, noise in memory")
    parser.add_argument("--workers", type=int, default=0, help="of each process")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="one more setting of `train`, dotted",
    )
    parser.add_argument("--peak", type=float, help="TFLOP/s of one device, for the utilisation")
    parser.add_argument(
        "--trace", help="FILE.json for chrome://tracing of three steps; FILE.txt: dearest operators"
    )
    parser.add_argument("--json", help="file to append lines to, or - for the output")
    return parser.parse_args()


def training_settings(chosen: argparse.Namespace) -> Train:
    """Return the paper's settings with what was asked for."""
    patch = backbone_spec(chosen.backbone).patch_size
    values: dict[str, Any] = {
        "crops": {"local_size": 98 if patch == 14 else 96},
        "batch_size": chosen.batch,
        "steps": WARM_UP + 2 * chosen.steps + 3,
        "workers": chosen.workers,
        "precision": chosen.precision,
    }
    for item in chosen.set:
        key, _, text = item.partition("=")
        nested: Any = yaml.safe_load(text)
        for part in reversed(key.split(".")):
            nested = {part: nested}
        values = merged(values, nested)
    return validated(Train, values, "benchmark")


def network(name: str, drop_path: float = 0.0) -> Backbone:
    """Return a registered network with random weights. drop_path: as in load_backbone."""
    import timm

    spec = backbone_spec(name)
    model = timm.create_model(
        spec.architecture,
        num_classes=0,
        dynamic_img_size=True,
        drop_path_rate=drop_path,
        **dict(spec.overrides),
    )
    return Backbone(model, spec.patch_size, model.embed_dim)


def noise(settings: Train, training: Training) -> Views:
    """Return this process's share of a batch of noise with overlapping boxes."""
    crops = settings.crops
    generator = torch.Generator().manual_seed(0)

    def pixels(count: int, side: int) -> Tensor:
        shape = (settings.batch_size, count, 3, side, side)
        return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)

    views = crops.global_count + crops.local_count
    corners = torch.rand(settings.batch_size, views, 2, generator=generator) * 60
    boxes = torch.cat([corners, corners + 200], dim=-1)
    whole = Views(
        pixels(crops.global_count, crops.global_size),
        pixels(crops.local_count, crops.local_size),
        boxes,
    )
    return Views(*(training.share.of(part) for part in whole))


class Parts:
    """Times the parts of the very step that a training takes, by wrapping what it calls."""

    def __init__(self, training: Training) -> None:
        self.cuda = training.fabric.device.type == "cuda"
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self._marks: list[tuple[str, Any, Any]] = []
        for owner, name, part in (
            (training, "_coloured", "views"),
            (training, "_student", "student forward"),
            (training, "_teacher", "teacher"),
            (training.loss, "targets", "align"),
            (training.loss, "compare", "align"),
            (neco.loss, "sorting_cross_entropy", "sort"),
            (training.fabric, "backward", "backward"),
            (training.optimiser, "step", "optimiser and EMA"),
            (neco.training.step, "follow", "optimiser and EMA"),
        ):
            self._wrap(owner, name, part)

    def _wrap(self, owner: Any, name: str, part: str) -> None:
        call = getattr(owner, name)

        def timed(*rest: Any, **named: Any) -> Any:
            began = self._now()
            result = call(*rest, **named)
            self._marks.append((part, began, self._now()))
            return result

        setattr(owner, name, timed)

    def _now(self) -> Any:
        if not self.cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def collect(self) -> None:
        """Add the step that has just been taken."""
        if self.cuda:
            torch.cuda.synchronize()
        spent: dict[str, float] = defaultdict(float)
        for part, began, ended in self._marks:
            spent[part] += began.elapsed_time(ended) / 1000 if self.cuda else ended - began
        spent["align"] -= spent["sort"]  # it is called in there
        for part, seconds in spent.items():
            self.seconds[part].append(seconds)
        self._marks.clear()


def main() -> None:
    """Measure and print."""
    chosen = arguments()
    torch.set_num_threads(chosen.threads)
    settings = training_settings(chosen)
    fabric = launch(chosen.devices, 1, settings.precision, chosen.accelerator)
    training = Training(
        network(chosen.backbone, settings.drop_path), settings, settings.steps or 1, fabric
    )
    fixed = noise(settings, training)
    batches = iter(_loader(chosen.images, settings, training)) if chosen.images else None
    step = 0

    def take(count: int, parts: Parts | None = None) -> tuple[list[float], list[float]]:
        """Take steps; return how long each took, and waited for its photographs."""
        nonlocal step
        took, waited = [], []
        for _ in range(count):
            began = time.perf_counter()
            views = fixed if batches is None else next(batches)
            waited.append(time.perf_counter() - began)
            training.step(views, step)
            step += 1
            if parts:
                parts.collect()
            took.append(time.perf_counter() - began)
        began = time.perf_counter()
        if fabric.device.type == "cuda":
            torch.cuda.synchronize()
            took[-1] += time.perf_counter() - began
        return took, waited

    take(WARM_UP)
    took, waited = take(chosen.steps)
    # The host of a GPU runs ahead, so that only the sum means something there.
    on_gpu = fabric.device.type == "cuda"
    seconds = statistics.mean(took) if on_gpu else statistics.median(took)
    parts = Parts(training)
    take(chosen.steps, parts)
    if chosen.trace and fabric.is_global_zero:
        with torch.profiler.profile() as profile:
            take(3, parts)
        profile.export_chrome_trace(chosen.trace)
        dearest = "self_device_time_total" if on_gpu else "self_cpu_time_total"
        table = profile.key_averages().table(
            sort_by=dearest, row_limit=20, max_name_column_width=40
        )
        Path(chosen.trace).with_suffix(".txt").write_text(table)
    elif chosen.trace:
        take(3, parts)
    if not fabric.is_global_zero:
        return
    times = {"data wait": statistics.mean(waited)} if chosen.images else {}
    times |= {part: statistics.median(values) for part, values in parts.seconds.items()}
    record = _record(chosen, settings, training, seconds, times)
    for part, spent in times.items():
        print(
            f"{part:>18}  {1000 * spent:10.1f} ms  {100 * spent / seconds:5.1f} %", file=sys.stderr
        )
    for name in ("images_per_second", "peak_mb", "tflops_sustained", "utilisation"):
        print(f"{name:>18}  {record[name]}", file=sys.stderr)
    if chosen.json == "-":
        print(json.dumps(record))
    elif chosen.json:
        append(Path(chosen.json), record)


def _loader(folder: Path, settings: Train, training: Training) -> Any:
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    items = [Item(path.stem, path, None, "train") for path in paths]
    dataset = Dataset("benchmark", folder, "train", [], items)
    return view_loader(dataset, settings, 0, *training.share)


def _record(
    chosen: argparse.Namespace, settings: Train, training: Training, seconds: float,
    times: dict[str, float],
) -> dict[str, Any]:  # fmt: skip
    device, processes = training.fabric.device, training.fabric.world_size
    flops = training_flops(shape_of(chosen.backbone), settings) * settings.batch_size
    peak_memory = (
        torch.cuda.max_memory_allocated(device) / 2**20
        if device.type == "cuda"
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    )
    name = device_name(device)
    peak = chosen.peak or next((peak for key, peak in PEAKS.items() if key in name), None)
    sustained = flops / seconds / 1e12
    return {
        "backbone": chosen.backbone,
        "device": name,
        "processes": processes,
        "precision": training.fabric.strategy.precision.precision,
        "batch_size": settings.batch_size,
        "settings": chosen.set,
        "data": "JPEGs" if chosen.images else "noise in memory",
        "workers": settings.workers,
        "images_per_second": round(settings.batch_size / seconds, 3),
        "step_seconds": round(seconds, 5),
        "parts": {part: round(spent, 5) for part, spent in times.items()},
        "peak_mb": round(peak_memory, 1),
        "gflop_per_image": round(flops / settings.batch_size / 1e9, 1),
        "tflops_sustained": round(sustained, 4),
        "utilisation": round(sustained / peak / processes, 4) if peak else None,
        "torch": torch.__version__,
        "commit": git_commit(),
        "command": " ".join(["python -m benchmarks.training", *sys.argv[1:]]),
    }


if __name__ == "__main__":
    main()
