"""Writing the common layout: images, labels and rows come in, checked files come out.

Images have to be whole, labels possible, and masks of their image's size.
"""

import csv
import hashlib
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from neco.data.archives import Member
from neco.data.dataset import BROKEN_IMAGE, IGNORED, INDEX_COLUMNS
from neco.data.names import place
from neco.errors import UserError

REPLACE = "replace the file, or fetch its archive again"
SPLIT_ORDER = ("train", "trainaug", "val")


class Picture(NamedTuple):
    """A photograph that was found to be whole and was written."""

    size: tuple[int, int]
    """Width and height."""
    digest: str


class Mask(NamedTuple):
    """A mask that was written."""

    present: tuple[int, ...]
    """Class ids that it holds, 255 for ignored pixels."""
    digest: str


class Row(NamedTuple):
    """One line of index.csv, and which ids its mask holds."""

    id: str
    image: str
    mask: str
    split: str
    image_digest: str
    mask_digest: str = ""
    present: tuple[int, ...] = ()

    @property
    def empty(self) -> bool:
        """Return whether there is a mask whose every pixel is ignored."""
        return bool(self.mask) and set(self.present) <= {IGNORED}


def labelled(name: str, image: str, mask: str, split: str, picture: str, written: Mask) -> Row:
    """Return the row of an image whose content has the digest `picture` and of its mask."""
    return Row(name, image, mask, split, picture, written.digest, written.present)


@dataclass
class Description:
    """What a preparation found: the rows and the content of classes.json."""

    classes: list[str]
    background: bool
    rows: list[Row]
    left_out: dict[str, int] = field(default_factory=dict)
    """How many images of the archive carry no labels, by split."""
    notes: dict[str, Any] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    """What was guessed or noticed. It is told at the end of the preparation."""


def image_size(data: bytes, where: object) -> tuple[int, int]:
    """Return (width, height) of an encoded image after decoding all of its data.

    JPEGs are decoded at an eighth of their size, which reads every byte at a fraction of the cost.
    Raises UserError naming `where` when the image is truncated or not an image.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            size = image.size
            image.draft(image.mode, (max(1, size[0] // 8), max(1, size[1] // 8)))
            image.load()
        return size
    except BROKEN_IMAGE as error:
        raise UserError(f"{where}: truncated or damaged image ({error}); {REPLACE}") from None


def digest_of(data: bytes) -> str:
    """Return the hex digest (128 bits) that stands for a file's content in index.csv."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def labels_digest(labels: np.ndarray) -> str:
    """Return the digest of a mask's labels, uint8 (H, W). It does not depend on compression."""
    return digest_of(f"{labels.shape[0]}x{labels.shape[1]}:".encode() + labels.tobytes())


def write_image(source: Member, work: Path, name: str) -> Picture:
    """Check an image and copy it unchanged from its archive to `work/name`.

    Raises UserError for a damaged image, or a name that leads out of `work`.
    """
    data = source.read()
    size = image_size(data, source)
    place(work, name, source).write_bytes(data)
    return Picture(size, digest_of(data))


def decode_mask(data: bytes, where: object) -> np.ndarray:
    """Return the label ids of an encoded grey or palette image, uint8 or int32 (H, W)."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            if image.mode not in ("L", "P", "I", "I;16"):
                raise UserError(
                    f"{where}: a {image.mode} image, not label ids (one grey or palette value per "
                    "pixel); convert the colours to class ids first"
                )
            return np.array(image)
    except BROKEN_IMAGE as error:
        raise UserError(f"{where}: truncated or damaged mask ({error}); {REPLACE}") from None


def decode_colours(data: bytes, where: object) -> np.ndarray:
    """Return the colours of an encoded RGB image, uint8 (H, W, 3)."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return np.array(image.convert("RGB"))
    except BROKEN_IMAGE as error:
        raise UserError(f"{where}: truncated or damaged mask ({error}); {REPLACE}") from None


def write_mask(
    labels: np.ndarray, work: Path, name: str, size: tuple[int, int], classes: int, where: object
) -> Mask:
    """Write labels (H, W) as an 8-bit PNG at `work/name`, and return which ids it holds.

    size: the image's (width, height). classes: how many there are. Raises UserError naming `where`
    when the mask has another size than its image, when it holds an id that is neither a class nor
    255, and when `name` leads out of `work`.
    """
    if labels.shape != (size[1], size[0]):
        raise UserError(
            f"{where}: the mask is {labels.shape[1]}x{labels.shape[0]} but its image is "
            f"{size[0]}x{size[1]}; they are not a pair, {REPLACE}"
        )
    present = ids_in(labels)
    impossible = present[((present < 0) | (present >= classes)) & (present != IGNORED)]
    if impossible.size:
        raise UserError(
            f"{where}: impossible label {impossible[0]}; there are {classes} classes (0 to "
            f"{classes - 1}) and {IGNORED} for ignored pixels; {REPLACE}"
        )
    labels = labels.astype(np.uint8)
    Image.fromarray(labels).save(place(work, name, where))
    return Mask(tuple(map(int, present)), labels_digest(labels))


def ids_in(labels: np.ndarray) -> np.ndarray:
    """Return the distinct ids of a mask, sorted."""
    if labels.dtype == np.uint8:  # counting is several times faster than sorting
        return np.flatnonzero(np.bincount(labels.ravel(), minlength=256))
    return np.unique(labels)


def write_description(dataset: str, description: Description, folder: Path) -> None:
    """Write index.csv and classes.json. Rows are sorted by split and id."""
    order = {split: position for position, split in enumerate(SPLIT_ORDER)}
    rows = sorted(description.rows, key=lambda row: (order.get(row.split, 9), row.split, row.id))
    with (folder / "index.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(INDEX_COLUMNS)
        writer.writerows([getattr(row, column) for column in INDEX_COLUMNS] for row in rows)
    content = {
        "dataset": dataset,
        "classes": description.classes,
        "background": description.background,
        "notes": {
            "images": counts(rows),
            "left_out_without_labels": description.left_out,
            "all_pixels_ignored": counts([row for row in rows if row.empty]),
            "never_labelled": never_labelled(description),
            **description.notes,
        },
    }
    (folder / "classes.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def never_labelled(description: Description) -> list[str]:
    """Return the classes that no mask holds."""
    present = {label for row in description.rows for label in row.present}
    return [name for label, name in enumerate(description.classes) if label not in present]


def refuse_unlabelled(where: object, rows: list[Row]) -> None:
    """Raise UserError where the masks of a whole split leave nothing to learn or score."""
    splits: dict[str, list[Row]] = {}
    for row in rows:
        if row.mask:
            splits.setdefault(row.split, []).append(row)
    for split, masks in splits.items():
        if all(row.empty for row in masks):
            raise UserError(
                f"{where}: every pixel of the masks of split '{split}' ({len(masks):,}) is "
                "ignored, so nothing is left to score; see what they hold with `python -m neco "
                "look` (255 is ignored, and what `ignore` in dataset.yaml names)"
            )


def counts(rows: list[Row]) -> dict[str, int]:
    """Return the number of rows of every split."""
    return {
        split: sum(r.split == split for r in rows) for split in dict.fromkeys(r.split for r in rows)
    }
