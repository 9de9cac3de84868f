"""Host time of a training step that a GPU would wait for, the workers' and the device's part faked.

    OMP_NUM_THREADS=1 python -m benchmarks.host --json benchmarks/results/host.jsonl

At 820 images a second a step of 64 images has 78 ms; what the training process does meanwhile for
the views has to stay under 8 ms on one core. Parts, in CPU milliseconds of the training process a
step, the median and the largest of the rounds:

order       which images a step takes (a new permutation every epoch included)
receive     taking a batch from a worker that has it ready, its copies on this thread included
draws       every random number of the colours
cut         starting the operations that cut and resize crops (train.views=device)
recolour    starting the operations that change colours, draws apart
references  choosing the reference patches of every pair of crops, for each preset

`cut` and `recolour` run on images of 16 pixels and crops of 8, so that the host starts as many
operations as ever and next to no arithmetic is left; references are taken from tensors without
contents. The networks and the loss are timed by benchmarks.training.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from benchmarks.records import append
from neco.config import Crops, Train
from neco.config.base import validated
from neco.config.training import with_preset
from neco.evaluate.conditions import git_commit
from neco.references import ReferenceQueue, draw_references
from neco.training.batches import StepSampler
from neco.views import (
    collate,
    collate_photographs,
    draw_changes,
    sample_boxes,
    views_on_device,
)
from neco.views.multicrop import Views
from neco.views.photographs import Photograph
from neco.views.photometric import recoloured_together

IMAGES = 118_287
"""COCO's training images."""
SIZE = (480, 640)
CPU = torch.device("cpu")
PRESETS = ("paper", "released", "text")


class Ready(Dataset[Any]):
    """Made-up items that cost a worker nothing: crops, or a photograph with its boxes."""

    def __init__(self, views: str, size: tuple[int, int] = SIZE) -> None:
        crops = Crops()
        boxes = sample_boxes(np.random.default_rng(0), size[1], size[0], crops)
        large = torch.zeros((crops.global_count, 3, crops.global_size, crops.global_size)).byte()
        small = torch.zeros((crops.local_count, 3, crops.local_size, crops.local_size)).byte()
        self.item: Any = (
            Views(large, small, torch.from_numpy(boxes))
            if views == "cpu"
            else Photograph(np.zeros((*size, 3), np.uint8), boxes, boxes)
        )

    def __len__(self) -> int:
        return IMAGES

    def __getitem__(self, key: tuple[int, int]) -> Any:
        return self.item


def receive(views: str, settings: Train, steps: int) -> list[float]:
    """Return CPU milliseconds of this process for each batch that a worker had ready."""
    settings = settings.model_copy(update={"steps": steps + 4})
    sampler = StepSampler(IMAGES, settings, 0)
    collated = collate if views == "cpu" else collate_photographs
    loader = DataLoader(Ready(views), batch_sampler=sampler, num_workers=1, collate_fn=collated)
    batches, spent = iter(loader), []
    for _ in range(4):  # the first start the worker
        next(batches)
    for _ in range(steps):
        time.sleep(0.5)  # the device's part: meanwhile the worker fills its queue
        began = time.process_time()
        next(batches)
        spent.append(1000 * (time.process_time() - began))
    return spent


def repeated(call: Callable[[], Any], steps: int) -> list[float]:
    """Return CPU milliseconds of each of `steps` calls, a first one left out."""
    call()
    spent = []
    for _ in range(steps):
        began = time.process_time()
        call()
        spent.append(1000 * (time.process_time() - began))
    return spent


def references(preset: str, batch: int, generator: torch.Generator) -> Callable[[], Any]:
    """Return what chooses the references of one step of a preset."""
    settings = validated(Train, with_preset({"preset": preset}, "train"), "train")
    crops, chosen = settings.crops, settings.loss.references
    pairs = [
        g
        for g in range(crops.global_count)
        for v in range(crops.global_count + crops.local_count)
        if v != g
    ]
    if chosen.source == "queue":
        side = crops.global_size // 14
        grids = [torch.zeros(batch, side, side, 1, device="meta")] * crops.global_count
        queue = ReferenceQueue(chosen, crops.global_count, 1, torch.device("meta"))
        while queue.filled < chosen.queue_length:
            queue.push(grids, generator)

        def from_queue() -> Any:
            queue.push(grids, generator)
            return queue.draw(pairs, batch, generator)

        return from_queue
    draws = len(pairs) if chosen.per_pair else 1
    # The teacher's aligned patches of a pair; else the student's patches of the global crops.
    patches = settings.loss.aligned_size**2
    if chosen.source == "student":
        patches = crops.global_count * (crops.global_size // 14) ** 2
    pools = torch.zeros(draws, batch, patches, 1, device="meta")
    return lambda: draw_references(pools, chosen, generator)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--batch", type=int, default=64, help="images a step")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--json", type=Path, help="JSON lines to add to")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    settings = Train(batch_size=chosen.batch)
    crops, colours = settings.crops, settings.photometric
    per_image = (crops.global_count, crops.local_count)
    generator = torch.Generator().manual_seed(0)

    def draws() -> Any:
        return [draw_changes(chosen.batch * count, colours, generator) for count in per_image]

    small = Crops(global_size=8, local_size=8)
    photographs = collate_photographs([Ready("device", (16, 16)).item] * chosen.batch)
    # As many operations as for a batch, on crops of one image.
    groups = [
        (group[0], changes._replace(strengths=changes.strengths[:, : group.shape[1]]))
        for group, changes in zip(views_on_device(photographs, small, CPU)[0], draws(), strict=True)
    ]
    order = iter(StepSampler(IMAGES, settings, IMAGES // chosen.batch - 1 - chosen.steps // 2))
    parts = {
        "order": repeated(lambda: next(order), chosen.steps),
        "receive, views=cpu": receive("cpu", settings, chosen.steps),
        "receive, views=device": receive("device", settings, chosen.steps),
        "draws": repeated(draws, chosen.steps),
        "cut, views=device": repeated(
            lambda: views_on_device(photographs, small, CPU), chosen.steps
        ),
        "recolour": repeated(
            lambda: [recoloured_together(*group) for group in groups],
            chosen.steps,
        ),
        **{
            f"references, {preset}": repeated(
                references(preset, chosen.batch, generator), chosen.steps
            )
            for preset in PRESETS
        },
    }
    record = {
        "benchmark": "host",
        "batch": chosen.batch,
        "cpu_ms_a_step": {
            name: {"median": round(statistics.median(spent), 3), "largest": round(max(spent), 3)}
            for name, spent in parts.items()
        },
        "load_average": [round(load, 1) for load in os.getloadavg()],
        "torch": torch.__version__,
        "commit": git_commit(),
    }
    for name, spent in record["cpu_ms_a_step"].items():
        print(f"{name:>28} {spent['median']:8.3f} ms   at most {spent['largest']:8.3f}")
    for views in ("cpu", "device"):
        for preset in PRESETS:
            counted = [s["median"] for n, s in record["cpu_ms_a_step"].items()
                       if ("views=" not in n or n.endswith(views))
                       and ("references" not in n or n.endswith(preset))]  # fmt: skip
            print(f"{f'all, {preset}, views={views}':>28} {sum(counted):8.3f} ms")
    if chosen.json:
        append(chosen.json, record)


if __name__ == "__main__":
    main()
