"""Images a second that one core turns into views: three ways, interleaved in one run.

    python -m benchmarks.views --images FOLDER --json benchmarks/results/views.jsonl

reference   the pipeline of the reference implementation's kind: PIL and torchvision, an image at a
            time: decode, random resized crops redrawn until they overlap (checked on small
            tensors), jitter, grayscale, blur, to tensor, normalise
workers     this project with train.views=cpu: what a worker does; colours are the device's
device      this project with train.views=device: read, boxes, decode, collate

One thread; every round runs all three on the same images, and ratios are taken within a round.
The last lines say how long the device's part takes when this core is the device, and what the
colours of one view take beside torchvision's transforms of single views, on PIL images and on
tensors.
"""

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageFilter
from torchvision import transforms
from torchvision.transforms import functional, v2

from benchmarks.records import append
from neco.config import Crops, Photometric
from neco.data.dataset import Dataset, Item
from neco.evaluate.conditions import git_commit
from neco.views import (
    MultiCropDataset,
    PhotographDataset,
    collate,
    collate_photographs,
    photometric,
    sample_boxes,
    views_on_device,
)

CROPS = Crops()
CPU = torch.device("cpu")


class ReferenceKind:
    """An equal pipeline on PIL and torchvision, every step on single crops."""

    def __init__(self) -> None:
        self.jitter = transforms.Compose(
            [
                transforms.RandomApply([transforms.ColorJitter(0.8, 0.8, 0.8, 0.2)], p=0.8),
                transforms.RandomGrayscale(p=0.2),
            ]
        )
        self.finish = transforms.Compose(
            [
                transforms.ToTensor(),
                transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
            ]
        )

    def __call__(self, paths: list[Path]) -> list[list[torch.Tensor]]:
        return [self.views(path) for path in paths]

    def views(self, path: Path) -> list[torch.Tensor]:
        """Return the normalised views of one image."""
        with Image.open(path) as file:
            image = file.convert("RGB")
        kinds = [(CROPS.global_scale, CROPS.global_size)] * CROPS.global_count
        kinds += [(CROPS.local_scale, CROPS.local_size)] * CROPS.local_count
        while True:
            drawn = [
                transforms.RandomResizedCrop.get_params(image, list(scale), [3 / 4, 4 / 3])
                for scale, _ in kinds
            ]
            if self.meet(torch.tensor(drawn, dtype=torch.float32), image.width * image.height):
                break
        views = []
        for (top, left, height, width), (_, side) in zip(drawn, kinds, strict=True):
            crop = functional.resized_crop(image, top, left, height, width, [side, side])
            views.append(self.recoloured(crop))
        return views

    def recoloured(self, crop: Image.Image) -> torch.Tensor:
        """Return a normalised view of one crop."""
        crop = self.jitter(crop)
        if random.random() < 0.5:  # noqa: S311 (images, no secrets)
            crop = crop.filter(ImageFilter.GaussianBlur(random.uniform(0.1, 2.0)))  # noqa: S311 (images)
        return self.finish(crop)

    def meet(self, drawn: torch.Tensor, area: int) -> bool:
        """Return whether every pair of a global and another crop overlaps enough."""
        corners = torch.cat([drawn[:, :2], drawn[:, :2] + drawn[:, 2:]], dim=1)
        for first in range(CROPS.global_count):
            for second in range(first + 1, len(corners)):
                start = torch.maximum(corners[first, :2], corners[second, :2])
                end = torch.minimum(corners[first, 2:], corners[second, 2:])
                if (end - start).clamp(min=0).prod() / area < 0.01:
                    return False
        return True


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--images", type=Path, required=True, help="folder of JPEGs")
    parser.add_argument("--count", type=int, default=64, help="images a round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, help="JSON lines to add to")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    random.seed(0)
    torch.manual_seed(0)
    paths = sorted(path for path in chosen.images.rglob("*.jpg"))[: chosen.count]
    items = [Item(path.stem, path, None, "train") for path in paths]
    dataset = Dataset("benchmark", chosen.images, "train", [], items)
    workers, photographs = (
        kind(dataset, CROPS, 0) for kind in (MultiCropDataset, PhotographDataset)
    )
    reference, epoch = ReferenceKind(), iter(range(10**9))

    def batch(data: Any, collated: Callable[[list[Any]], Any]) -> Any:
        draw = next(epoch)
        return collated([data[(draw, index)] for index in range(len(paths))])

    ways: dict[str, Callable[[], Any]] = {
        "reference": lambda: reference(paths),
        "workers": lambda: batch(workers, collate),
        "device": lambda: batch(photographs, collate_photographs),
    }
    for way in ways.values():
        way()  # files are in memory, libraries are loaded
    rounds = [{name: timed(way) for name, way in ways.items()} for _ in range(chosen.rounds)]
    sizes = [Image.open(path).size for path in paths]
    record = {
        "benchmark": "views",
        "images": len(paths),
        "median_size": [int(statistics.median(side)) for side in zip(*sizes, strict=True)],
        "images_per_cpu_second": {
            name: round(len(paths) / statistics.median(each[name] for each in rounds), 1)
            for name in ways
        },
        "ratio_to_reference": {
            name: [round(each["reference"] / each[name], 2) for each in rounds]
            for name in ("workers", "device")
        },
        "parts_ms_an_image": parts(photographs, paths),
        "colours_ms_a_view": colours(workers, reference, len(paths), chosen.rounds),
        "rounds_cpu_seconds": [{k: round(v, 4) for k, v in each.items()} for each in rounds],
        "torch": torch.__version__,
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "commit": git_commit(),
    }
    for name, speed in record["images_per_cpu_second"].items():
        ratios = record["ratio_to_reference"].get(name, [1.0])
        print(f"{name:>10} {speed:8.1f} images/s   x {statistics.median(ratios):.2f}"
              f" ({min(ratios):.2f} to {max(ratios):.2f})", file=sys.stderr)  # fmt: skip
    for part, milliseconds in record["parts_ms_an_image"].items():
        print(f"{part:>40} {milliseconds:8.2f} ms an image", file=sys.stderr)
    for name, ways_seen in record["colours_ms_a_view"].items():
        told = "   ".join(f"{way} {statistics.median(seen):.2f}" for way, seen in ways_seen.items())
        print(f"colours of a {name} view, ms: {told}", file=sys.stderr)
    if chosen.json:
        append(chosen.json, record)


def parts(photographs: PhotographDataset, paths: list[Path]) -> dict[str, float]:
    """Return milliseconds an image of every part of the device's way, the device's own included."""
    few = range(min(16, len(paths)))
    rng = np.random.default_rng(0)
    batch = collate_photographs([photographs[(0, index)] for index in few])
    groups = views_on_device(batch, CROPS, CPU)[0]
    generator = torch.Generator().manual_seed(0)
    calls: dict[str, Callable[[], Any]] = {
        "read": lambda: [paths[index].read_bytes() for index in few],
        "boxes": lambda: [sample_boxes(rng, 640, 480, CROPS) for _ in few],
        "read, boxes, decode": lambda: [photographs[(1, index)] for index in few],
        "device's part on this core: crops": lambda: views_on_device(batch, CROPS, CPU),
        "device's part on this core: colours": lambda: [
            photometric(group.flatten(0, 1), Photometric(), generator) for group in groups
        ],
    }
    return {
        name: round(1000 * min(timed(call) for _ in range(3)) / len(few), 3)
        for name, call in calls.items()
    }


def colours(
    workers: MultiCropDataset, reference: ReferenceKind, images: int, rounds: int
) -> dict[str, dict[str, list[float]]]:
    """Return CPU milliseconds a view of the colours alone, round by round on the same crops."""
    batch = collate([workers[(0, index)] for index in range(min(8, images))])
    kernel = v2.GaussianBlur(17, sigma=(0.1, 2.0))  # as wide as a deviation of 2 pixels reaches
    on_tensors = v2.Compose(
        [
            v2.RandomApply([v2.ColorJitter(0.8, 0.8, 0.8, 0.2)], p=0.8),
            v2.RandomGrayscale(p=0.2),
            v2.RandomApply([kernel], p=0.5),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    generator = torch.Generator().manual_seed(0)
    measured: dict[str, dict[str, list[float]]] = {}
    for name, group in (("global", batch.global_views), ("local", batch.local_views)):
        crops = group.flatten(0, 1)
        pictures = [functional.to_pil_image(crop) for crop in crops]
        ways: dict[str, Callable[[], Any]] = {
            "ours": lambda c=crops: photometric(c, Photometric(), generator),
            "torchvision, PIL": lambda p=pictures: [reference.recoloured(one) for one in p],
            "torchvision v2, tensors": lambda c=crops: [on_tensors(one) for one in c],
        }
        seen: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(rounds):
            for way, call in ways.items():
                seen[way].append(round(1000 * timed(call) / len(crops), 3))
        measured[name] = seen
    return measured


def timed(call: Callable[[], Any]) -> float:
    """Return the CPU seconds of this process, which other work on the machine disturbs less."""
    began = time.process_time()
    call()
    return time.process_time() - began


if __name__ == "__main__":
    main()
