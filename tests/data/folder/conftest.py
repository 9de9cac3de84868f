"""Small folders as people have them, written anew for every test."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neco.data.dataset import read_dataset, splits_of
from neco.data.prepare import prepare_folder

SIZE = (40, 32)  # width, height
NAMES = ["sky", "wall", "door"]


class Mine:
    """A folder of images and masks, and what its preparation gives."""

    def __init__(self, root: Path):
        self.root = root / "mine"
        self.into = root / "prepared"
        self.root.mkdir()
        self._seed = 0

    def photograph(self, name, size=SIZE, mode="RGB", **options):
        """Write a photograph of smooth random colours, and return it as it was before encoding."""
        self._seed += 1
        rng = np.random.default_rng(self._seed)
        coarse = Image.fromarray(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8))
        image = coarse.resize(size, Image.Resampling.BICUBIC).convert(mode)
        path = self.path(name)
        form = options.pop("form", None)
        if path.suffix.lower() in (".jpg", ".jpeg"):
            options.setdefault("quality", 95)
        image.save(path, form, **options)
        return image

    def ids(self, values=(0, 1, 2), size=SIZE):
        """Return random ids (H, W) in which every one of `values` occurs."""
        self._seed += 1
        rng = np.random.default_rng(self._seed)
        flat = rng.choice(list(values), size[0] * size[1])
        flat[: len(values)] = list(values)
        return flat.reshape(size[1], size[0])

    def mask(self, name, pixels, **options):
        """Write pixels as an image or a NumPy file; return them."""
        path = self.path(name)
        if path.suffix == ".npy":
            np.save(path, pixels)
        else:
            image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
            image.save(path, **options)
        return pixels

    def text(self, name, content):
        data = content if isinstance(content, bytes) else content.encode()
        self.path(name).write_bytes(data)

    def path(self, name):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def pairs(self, count=10, image="images/{}.jpg", mask="masks/{}.png", values=(0, 1, 2)):
        """Write images and masks; return the ids by name."""
        truth = {}
        for number in range(count):
            name = f"{number:03}"
            self.photograph(image.format(name))
            truth[name] = self.ids(values)
            self.mask(mask.format(name), truth[name].astype(np.uint8))
        return truth

    def prepare(self, **options):
        return prepare_folder(self.root, self.into, workers=1, **options)

    def items(self):
        """Return the prepared items by (split, id)."""
        datasets = [read_dataset(self.into, split) for split in splits_of(self.into)]
        return {(item.split, item.id): item for dataset in datasets for item in dataset.items}

    def masks(self):
        """Return the prepared masks by id."""
        return {item_id: item.read_mask() for (_, item_id), item in self.items().items()}

    def classes(self):
        return read_dataset(self.into, splits_of(self.into)[0]).classes

    def nothing_written(self):
        """Return whether the preparation left nothing behind."""
        return not self.into.exists() and [p.name for p in self.root.parent.iterdir()] == ["mine"]


@pytest.fixture
def mine(tmp_path):
    return Mine(tmp_path)
