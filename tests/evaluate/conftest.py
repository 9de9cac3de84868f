"""A prepared dataset of flat-coloured rectangles: small, and solvable from colours alone."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from neco.data.dataset import read_dataset

COLOURS = np.array([[30, 30, 30], [220, 40, 40], [40, 200, 60], [60, 80, 230]], dtype=np.uint8)


def write_dataset(folder, train=12, val=6, size=(40, 48), seed=0):
    """Write `train` + `val` images of (height, width) `size` with coloured rectangles."""
    generator = np.random.default_rng(seed)
    height, width = size
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    rows = []
    for number in range(train + val):
        split = "train" if number < train else "val"
        mask = np.zeros(size, dtype=np.uint8)
        for _ in range(2):
            top, left = generator.integers(0, height - 12), generator.integers(0, width - 12)
            mask[top : top + 20, left : left + 20] = 1 + (number + generator.integers(0, 2)) % 3
        noise = generator.integers(-12, 13, (*size, 3))
        image = np.clip(COLOURS[mask].astype(int) + noise, 0, 255).astype(np.uint8)
        mask[0, :5] = 255
        name = f"scene{number:03d}"
        Image.fromarray(image).save(folder / "images" / f"{name}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{name}.png")
        rows.append((name, f"images/{name}.png", f"masks/{name}.png", split))
    with (folder / "index.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "image", "mask", "split"))
        writer.writerows(rows)
    description = {
        "dataset": "coloured",
        "classes": ["ground", "red", "green", "blue"],
        "background": True,
        "notes": {},
    }
    (folder / "classes.json").write_text(json.dumps(description))
    return folder


@pytest.fixture(scope="session")
def coloured(tmp_path_factory):
    """Return (train, val) splits of 12 and 6 images, 40 x 48 pixels, 4 classes."""
    folder = write_dataset(tmp_path_factory.mktemp("data") / "coloured")
    return read_dataset(folder, "train"), read_dataset(folder, "val")
