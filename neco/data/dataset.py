"""The common layout of every prepared dataset. Nothing after preparation knows COCO from VOC.

<folder>/index.csv      id,image,mask,split   paths relative to the folder; mask may be empty
<folder>/classes.json   {"dataset", "classes": [names], "background": bool, "notes": {...}}
<folder>/masks/*.png    uint8 label images, 255 = ignored

In a packed dataset images and masks lie in shards: shards.py.
"""

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from neco.config.base import nearest
from neco.data.shards import Packed, Shelf
from neco.errors import UserError

IGNORED = 255
INDEX_COLUMNS = ("id", "image", "mask", "split")


@dataclass(frozen=True)
class Item:
    """One image of a dataset; `mask` is None where the image has no labels."""

    id: str
    image: Path | Packed
    mask: Path | Packed | None
    split: str

    def read_image(self) -> Image.Image:
        """Return the decoded RGB image. Raises UserError naming a broken file."""
        with self.opened_image() as image:
            return image.convert("RGB")

    @contextmanager
    def opened_image(self) -> Iterator[Image.Image]:
        """Yield the image, of which only the header is decoded yet.

        Raises UserError naming a broken file, also where it shows during the `with` block.
        """
        try:
            with Image.open(io.BytesIO(self.image.read_bytes())) as image:
                yield image
        except (OSError, UnidentifiedImageError) as error:
            raise UserError(
                f"{self.image}: cannot be read as an image ({error}); delete the prepared dataset "
                "and prepare it again from an intact archive"
            ) from None

    def read_mask(self) -> np.ndarray:
        """Return the labels, uint8 (H, W), 255 = ignored. Raises UserError naming a broken file."""
        if self.mask is None:
            raise UserError(f"{self.image}: has no mask; choose a labelled split of this dataset")
        try:
            with Image.open(io.BytesIO(self.mask.read_bytes())) as mask:
                return np.array(mask, dtype=np.uint8)
        except (OSError, UnidentifiedImageError) as error:
            raise UserError(
                f"{self.mask}: cannot be read as a mask ({error}); delete the prepared dataset "
                "and prepare it again"
            ) from None


@dataclass(frozen=True)
class Dataset:
    """One split of a prepared dataset, in the order of its index."""

    name: str
    folder: Path
    split: str
    classes: list[str]
    items: list[Item]

    def __len__(self) -> int:
        return len(self.items)


def read_dataset(folder: Path, split: str) -> Dataset:
    """Return one split of a prepared dataset.

    Raises UserError when the folder is not a prepared dataset or lacks the split.
    """
    rows = _read_rows(folder)
    description = json.loads((folder / "classes.json").read_text())
    shelf = Shelf(folder)
    items = [
        Item(
            id=row["id"],
            image=shelf.file(row["image"]),
            mask=shelf.file(row["mask"]) if row["mask"] else None,
            split=row["split"],
        )
        for row in rows
        if row["split"] == split
    ]
    if not items:
        there = {row["split"] for row in rows}
        raise UserError(f"{folder / 'index.csv'}: no split '{split}'{nearest(split, there)}")
    return Dataset(description["dataset"], folder, split, description["classes"], items)


def splits_of(folder: Path) -> list[str]:
    """Return the splits of a prepared dataset, in the order of its index."""
    return list(dict.fromkeys(row["split"] for row in _read_rows(folder)))


def _read_rows(folder: Path) -> list[dict[str, str]]:
    index = folder / "index.csv"
    if not index.exists():
        raise UserError(
            f"{folder}: not a prepared dataset (no index.csv); run `neco prepare` first"
        )
    with index.open(newline="") as file:
        return list(csv.DictReader(file))
