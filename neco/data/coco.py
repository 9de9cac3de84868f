"""The photographs of COCO 2017, train and val: archives come in, images without labels come out.

Other COCO datasets use these images.
"""

from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from neco.data.archives import AGAIN, Member, members_of
from neco.data.dataset import read_rows
from neco.data.pool import run_all
from neco.data.writing import Description, Row, labelled, write_image, write_mask
from neco.errors import UserError

SPLITS = {"train": "train2017", "val": "val2017"}


class _Photograph(NamedTuple):
    split: str
    member: Member


class Shared(NamedTuple):
    """An image of the prepared `coco` that another dataset refers to."""

    path: str
    """Relative to the folder of the other dataset, which lies beside `coco`."""
    digest: str


def build(archives: Path, work: Path, prepared: Path, workers: int | None) -> Description:
    """Write the images into `work` and return their rows (see neco/data/__init__.py)."""
    photographs = []
    for split, folder in SPLITS.items():
        archive = archives / f"{folder}.zip"
        found = [
            _Photograph(split, item)
            for name, item in members_of(archive).items()
            if name.startswith(f"{folder}/") and name.endswith(".jpg")
        ]
        if not found:
            raise UserError(f"{archive}: holds no {folder}/*.jpg; {AGAIN}")
        photographs += found
    write = partial(_write, work=work)
    rows = run_all(write, photographs, len(photographs), "coco", workers)
    return Description([], False, rows)


def _write(photograph: _Photograph, work: Path) -> Row:
    image = f"images/{photograph.member.name}"
    _, digest = write_image(photograph.member, work, image)
    return Row(Path(image).stem, image, "", photograph.split, digest)


def photographs_of(prepared: Path, split: str) -> dict[str, Shared]:
    """Return the images of the prepared `coco` by file name.

    Raises UserError when `coco` is not prepared.
    """
    folder = SPLITS[split]
    images = prepared / "coco" / "images" / folder
    if not (prepared / "coco" / "index.csv").exists() or not images.is_dir():
        raise UserError(
            f"{prepared / 'coco'}: the COCO images are not prepared; run "
            "`python -m neco prepare coco` first"
        )
    return {
        Path(row["image"]).name: Shared(f"../coco/{row['image']}", row.get("image_digest") or "")
        for row in read_rows(prepared / "coco")
        if row["split"] == split
    }


def photograph_size(path: Path) -> tuple[int, int]:
    """Return (width, height) of a prepared COCO image from its header."""
    with Image.open(path) as image:
        return image.size


def write_labels(
    labels: np.ndarray,
    image: Shared,
    split: str,
    size: tuple[int, int],
    work: Path,
    classes: int,
    where: object,
) -> Row:
    """Write the labels (H, W) of a photograph as its mask in `work`, and return their row.

    size: the photograph's (width, height). Raises UserError as `write_mask` does.
    """
    name = Path(image.path).stem
    mask = f"masks/{split}/{name}.png"
    written = write_mask(labels, work, mask, size, classes, where)
    return labelled(name, image.path, mask, split, image.digest, written)
