"""The common layout of every prepared dataset: a folder and a split come in, its images come out.

<folder>/index.csv      id,image,mask,split,image_digest,mask_digest
                        paths relative to the folder; mask and its digest may be empty
<folder>/classes.json   {"dataset", "classes": [names], "background": bool, "notes": {...}}
<folder>/masks/*.png    uint8 label images, 255 = ignored

In a packed dataset, images and masks lie in shards (shards.py). Nothing after preparation knows
COCO from VOC.
"""

import csv
import hashlib
import io
import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from neco.config.base import nearest
from neco.data.shards import Packed, Shelf
from neco.errors import UserError
from neco.files import refuse_no_folder

IGNORED = 255
INDEX_COLUMNS = ("id", "image", "mask", "split", "image_digest", "mask_digest")
NEEDED_COLUMNS = INDEX_COLUMNS[:4]
BROKEN_IMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    EOFError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    struct.error,
    Image.DecompressionBombError,
)
"""What Pillow raises on images that are no images, truncated or damaged."""


@dataclass(frozen=True)
class Item:
    """One image of a dataset. `mask` is None where the image has no labels."""

    id: str
    image: Path | Packed
    mask: Path | Packed | None
    split: str
    image_digest: str = ""
    """The digest of the image's content when it was prepared. It is empty in datasets that were
    prepared before there were digests."""
    mask_digest: str = ""
    """The same of the mask's labels."""

    def read_image(self) -> Image.Image:
        """Return the decoded RGB image. Raises UserError naming a broken file."""
        with self.opened_image() as image:
            return image.convert("RGB")

    @contextmanager
    def opened_image(self) -> Iterator[Image.Image]:
        """Yield the image, of which only the header is decoded yet.

        Raises UserError naming a broken file, also where the `with` block finds that it is broken.
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

    def digest(self, *, masks: bool = True) -> str:
        """Return what identifies the content of this split: 64 hexadecimal digits.

        It covers the ids in their order and the images as they were when the dataset was prepared.
        Unless `masks` is False, it also covers the masks and the class names. It contains no path,
        and packing without shrinking keeps it. No image is read for it, so files that were changed
        in a prepared dataset are not noticed. Where index.csv has no digests, sizes stand for them.
        """
        digest = hashlib.sha256()
        for item in self.items:
            parts = [item.id, item.image_digest or _size(item.image)]
            if masks and item.mask is not None:
                parts.append(item.mask_digest or _size(item.mask))
            digest.update(json.dumps(parts).encode() + b"\n")
        if masks:
            digest.update(json.dumps(self.classes).encode())
        return digest.hexdigest()


def _size(file: Path | Packed) -> str:
    try:
        size = file.stat().st_size if isinstance(file, Path) else file.size
    except OSError as error:
        raise UserError(
            f"{file}: cannot be read ({error.strerror}); prepare the dataset again"
        ) from None
    return f"{size} bytes"


def read_dataset(folder: Path, split: str) -> Dataset:
    """Return one split of a prepared dataset.

    Raises UserError when the folder is not a prepared dataset or lacks the split.
    """
    rows = read_rows(folder)
    description = _read_description(folder)
    shelf = Shelf(folder)
    items = [
        Item(
            id=row["id"],
            image=shelf.file(row["image"]),
            mask=shelf.file(row["mask"]) if row["mask"] else None,
            split=row["split"],
            image_digest=row.get("image_digest") or "",
            mask_digest=row.get("mask_digest") or "",
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
    return list(dict.fromkeys(row["split"] for row in read_rows(folder)))


def read_rows(folder: Path) -> list[dict[str, str]]:
    """Return the lines of a prepared dataset's index.

    Raises UserError when the folder is not a prepared dataset or its index is damaged.
    """
    index = folder / "index.csv"
    if folder.exists():
        refuse_no_folder(folder, "a prepared dataset")
    try:
        with index.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError:
        raise UserError(
            f"{folder}: not a prepared dataset (no index.csv); run `neco prepare` first"
        ) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{index}: cannot be read ({error}); prepare the dataset again") from None
    if any(row.get(column) is None for row in rows for column in NEEDED_COLUMNS):
        raise UserError(
            f"{index}: damaged, a line lacks one of {', '.join(NEEDED_COLUMNS)}; prepare the "
            "dataset again"
        )
    return rows


def _read_description(folder: Path) -> dict[str, Any]:
    path = folder / "classes.json"
    try:
        description: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        description["dataset"], description["classes"]
    except PermissionError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: cannot be read ({error!r}); prepare the dataset again") from None
    return description
