"""Time and memory of unsupervised segmentation at VOC's size, on made-up tokens.

    python -m benchmarks.unsupervised --folder /large/disk                   # 2,913 images
    python -m benchmarks.unsupervised --folder /large/disk --images 600 --preset released

One clustering and its communities, step by step, as JSON lines. `peak_mb` is the most that the
process has held so far, pages of the mapped tokens included. The tokens (2.3 GB for VOC) are
removed at the end. Half of every image is taken as foreground, whatever attention would say.
"""

import argparse
import json
import resource
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import faiss
import numpy as np
import torch

from neco.config.unsupervised import Unsupervised
from neco.evaluate.conditions import git_commit
from neco.evaluate.unsupervised.parameters import segments_of
from neco.evaluate.unsupervised.segment import (
    Foreground,
    cluster_foreground,
    extract_foreground,
    gather,
    neighbour_shares,
)
from neco.features import Features

SIDE, DIM, OBJECTS = 32, 384, 400
"""ViT-S/14 at 448 pixels; kinds of objects that the made-up tokens are of."""


def made_up(path: Path, images: int, seed: int) -> Features:
    """Return tokens of `images` images in a mapped file: squares of 8 patches, each of one kind."""
    centres = np.random.default_rng(0).normal(size=(OBJECTS, DIM)).astype(np.float32)
    generator = np.random.default_rng(seed)
    shape = (images, SIDE, SIDE, DIM)
    tokens = np.lib.format.open_memmap(path, "w+", np.float16, shape)
    for number in range(images):
        kinds = generator.integers(0, OBJECTS, (SIDE // 8, SIDE // 8)).repeat(8, 0).repeat(8, 1)
        tokens[number] = centres[kinds] + generator.normal(size=shape[1:])
    tokens.flush()
    return Features(np.load(path, mmap_mode="r"), [], {})


def timed(step: str, work: Any) -> Any:
    """Print how long `work` took and what the process has held; return its result."""
    began = time.perf_counter()
    result = work()
    seconds = round(time.perf_counter() - began, 2)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"step": step, "seconds": seconds, "peak_mb": peak}), flush=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="where the tokens fit")
    parser.add_argument("--images", type=int, default=2913)
    parser.add_argument("--preset", default="paper", choices=["paper", "released"])
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    faiss.omp_set_num_threads(chosen.threads)
    torch.set_num_threads(chosen.threads)
    settings = Unsupervised(preset=chosen.preset)
    about = {"images": chosen.images, "preset": chosen.preset, "threads": chosen.threads}
    print(json.dumps({**about, "commit": git_commit()}))
    counts = (chosen.images - chosen.images // 2, chosen.images // 2)
    generator = np.random.default_rng(1)
    attention = [torch.from_numpy(generator.random((n, 1, SIDE, SIDE))) for n in counts]
    labels = generator.integers(0, 21, (counts[0], settings.mask_size, settings.mask_size))
    with TemporaryDirectory(dir=chosen.folder) as folder:
        train = timed("tokens", lambda: made_up(Path(folder) / "train.npy", counts[0], 0))
        val = timed("tokens", lambda: made_up(Path(folder) / "val.npy", counts[1], 1))
        both = (attention[0], attention[1])
        patches = timed("gather", lambda: gather(train, val, both, settings))
    found = timed(
        "foreground", lambda: extract_foreground(patches, settings, 0, labels.astype(np.uint8))
    )
    half = np.zeros(patches.shape, bool)
    half[:, : SIDE // 2] = True
    foreground = Foreground(half, found.threshold, found.clusters)
    count = settings.clusters
    maps = timed("clusters", lambda: cluster_foreground(patches, foreground, count, settings, 0))
    together = timed("neighbours", lambda: neighbour_shares(maps, count, settings))
    timed("communities", lambda: [segments_of(together, settings, seed) for seed in settings.seeds])


if __name__ == "__main__":
    main()
