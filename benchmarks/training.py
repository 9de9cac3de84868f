"""What a NeCo step costs, part by part, on this machine.

    python benchmarks/training.py --backbone dinov2r-vits14 --batch 64 --json -
    python benchmarks/training.py --backbone demo-vit --batch 16 --images FOLDER --json out.jsonl

Weights are random: their values change no time. With --images, `data wait` is how long a step waits
for its views. `neco plan --measured` reads `backbone`, `device` and `images_per_second`.
"""

import argparse
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from neco.backbones.backbone import Backbone
from neco.backbones.registry import backbone_spec
from neco.config import Train
from neco.config.base import merged, validated
from neco.data.dataset import Dataset, Item
from neco.evaluate.conditions import device_name, git_commit
from neco.plan.arithmetic import shape_of, training_flops
from neco.training.batches import view_loader
from neco.training.loop import Training
from neco.training.networks import follow
from neco.views import Views


def arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default="dinov2r-vits14")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU")
    parser.add_argument("--precision", default="bf16-mixed")
    parser.add_argument("--steps", type=int, default=10, help="timed; two more warm up")
    parser.add_argument("--images", type=Path, help="folder of JPEGs; without it, noise in memory")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--peak", type=float, help="TFLOP/s of the device, for the utilisation")
    parser.add_argument("--json", help="file to append lines to, or - for the output")
    return parser.parse_args()


def network(name: str) -> Backbone:
    """Return a registered network with random weights."""
    import timm

    spec = backbone_spec(name)
    model = timm.create_model(
        spec.architecture, num_classes=0, dynamic_img_size=True, **dict(spec.overrides)
    )
    return Backbone(model, spec.patch_size, model.embed_dim)


def noise(settings: Train) -> Views:
    """Return a batch of noise with overlapping boxes."""
    crops = settings.crops
    generator = torch.Generator().manual_seed(0)

    def pixels(count: int, side: int) -> Tensor:
        shape = (settings.batch_size, count, 3, side, side)
        return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)

    views = crops.global_count + crops.local_count
    corners = torch.rand(settings.batch_size, views, 2, generator=generator) * 60
    boxes = torch.cat([corners, corners + 200], dim=-1)
    return Views(
        pixels(crops.global_count, crops.global_size),
        pixels(crops.local_count, crops.local_size),
        boxes,
    )


class Clock:
    """Times parts of a step; waits for the device before it looks."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds: dict[str, list[float]] = {}

    def __call__(self, part: str, call: Callable[[], Any]) -> Any:
        """Return what `call` returns, its time kept under `part`."""
        self._wait()
        began = time.perf_counter()
        result = call()
        self._wait()
        self.seconds.setdefault(part, []).append(time.perf_counter() - began)
        return result

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def timed_step(training: Training, views: Views, step: int, clock: Clock) -> None:
    """Do what Training.step does, one part at a time."""
    generator = torch.Generator().manual_seed(step)
    crops, boxes = clock("colours", lambda: training._coloured(views, generator))
    groups = clock("student forward", lambda: training.distributed(crops))
    student = [grid for group in groups for grid in group]

    def teach() -> list[Tensor]:
        with torch.no_grad(), training.fabric.autocast():
            grids: list[Tensor] = (training.teacher or training.student)(crops[:1])[0]
            return grids

    targets = clock("teacher", teach)
    terms = clock("align and sort", lambda: training.loss(student, targets, boxes, generator, None))
    training.optimiser.zero_grad(set_to_none=True)
    clock("backward", lambda: training.fabric.backward(terms.loss))

    def update() -> None:
        training.optimiser.step()
        if training.teacher is not None:
            follow(training.teacher, training.student, training.momentum(step))

    clock("optimiser and EMA", update)


def main() -> None:
    """Measure and print."""
    chosen = arguments()
    torch.set_num_threads(chosen.threads)
    patch = backbone_spec(chosen.backbone).patch_size
    settings = validated(
        Train,
        merged(
            {"crops": {"local_size": 98 if patch == 14 else 96}},
            {
                "batch_size": chosen.batch,
                "steps": chosen.steps + 2,
                "workers": chosen.workers,
                "precision": chosen.precision,
            },
        ),
        "benchmark",
    )
    fabric = Fabric(accelerator=chosen.device, devices=1, precision=settings.precision)
    training = Training(network(chosen.backbone), settings, settings.steps or 1, fabric)
    clock = Clock(fabric.device)
    batches = iter(_loader(chosen.images, settings)) if chosen.images else None
    fixed = noise(settings)
    whole = []
    for step in range(chosen.steps + 2):
        if step == 2:  # warm: kernels are built, memory is there
            clock.seconds.clear()
            whole.clear()
        began = time.perf_counter()
        views = clock("data wait", partial(next, batches)) if batches is not None else fixed
        timed_step(training, views, step, clock)
        whole.append(time.perf_counter() - began)
    record = _record(chosen, settings, clock, statistics.median(whole))
    for part, seconds in record["parts"].items():
        print(f"{part:>18}  {1000 * seconds:10.1f} ms", file=sys.stderr)
    print(f"{'images/s':>18}  {record['images_per_second']:10.2f}", file=sys.stderr)
    if chosen.json == "-":
        print(json.dumps(record))
    elif chosen.json:
        with Path(chosen.json).open("a") as file:
            file.write(json.dumps(record) + "\n")


def _loader(folder: Path, settings: Train) -> Any:
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    items = [Item(path.stem, path, None, "train") for path in paths]
    return view_loader(Dataset("benchmark", folder, "train", [], items), settings, 0)


def _record(
    chosen: argparse.Namespace, settings: Train, clock: Clock, seconds: float
) -> dict[str, Any]:
    flops = training_flops(shape_of(chosen.backbone), settings) * settings.batch_size
    on_gpu = clock.device.type == "cuda"
    peak = (
        torch.cuda.max_memory_allocated(clock.device) / 2**20
        if on_gpu
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    )
    record = {
        "backbone": chosen.backbone,
        "device": device_name(clock.device),
        "precision": chosen.precision,
        "batch_size": settings.batch_size,
        "data": "JPEGs" if chosen.images else "noise in memory",
        "workers": settings.workers,
        "images_per_second": round(settings.batch_size / seconds, 3),
        "step_seconds": round(seconds, 5),
        "parts": {
            part: round(statistics.median(times), 5) for part, times in clock.seconds.items()
        },
        "peak_mb": round(peak, 1),
        "gflop_per_image": round(flops / settings.batch_size / 1e9, 1),
        "tflops_sustained": round(flops / seconds / 1e12, 4),
        "torch": torch.__version__,
        "commit": git_commit(),
    }
    if chosen.peak:
        record["utilisation"] = round(flops / seconds / 1e12 / chosen.peak, 4)
    return record


if __name__ == "__main__":
    main()
