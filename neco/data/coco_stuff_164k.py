"""COCO-Stuff 164k: 171 classes (80 things, 91 stuff) on every COCO image, for Segmenter.

A pixel of the official maps is the COCO category id minus 1, and 255 is ignored. 11 of the ids name
categories that COCO dropped. The remaining 171 are numbered consecutively, as in MMSegmentation.
"""

from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from neco.data.archives import Member, members_of
from neco.data.classes import class_names
from neco.data.coco import SPLITS, Shared, photograph_size, photographs_of, write_labels
from neco.data.coco_annotations import refuse_unknown_images
from neco.data.dataset import IGNORED
from neco.data.pool import run_all
from neco.data.writing import Description, Row, decode_mask

ARCHIVE = "stuffthingmaps_trainval2017.zip"
PIXELS = 182
"""Pixel values 0 to 181: COCO's category ids 1 to 182."""
DROPPED = (11, 25, 28, 29, 44, 65, 67, 68, 70, 82, 90)
"""Pixel values of the categories that COCO dropped."""
IMPOSSIBLE = 254
"""What a pixel value becomes that no map should have: it is no class, so writing refuses it."""


class _Map(NamedTuple):
    split: str
    image: Shared
    mask: Member


def build(archives: Path, work: Path, prepared: Path, workers: int | None) -> Description:
    """Write the masks into `work` and return the rows (see neco/data/__init__.py).

    The images stay those of the prepared `coco`.
    """
    archive = archives / ARCHIVE
    members = members_of(archive)
    classes = class_names("coco-stuff-164k")
    convert = partial(_convert, work=work, classes=len(classes))
    rows: list[Row] = []
    left_out = {}
    for split, folder in SPLITS.items():
        images = photographs_of(prepared, split)
        named = {
            f"{Path(name).stem}.jpg": found
            for name, found in members.items()
            if name.startswith(f"{folder}/") and name.endswith(".png")
        }
        refuse_unknown_images(images, named, archive)
        jobs = [_Map(split, images[name], found) for name, found in named.items()]
        rows += run_all(convert, jobs, len(jobs), f"coco-stuff-164k {split}", workers)
        left_out[split] = len(images) - len(named)
    return Description(classes, False, rows, left_out)


def class_of_pixel() -> np.ndarray:
    """Return the class id of every pixel value, uint8 (256,)."""
    table = np.full(256, IMPOSSIBLE, dtype=np.uint8)
    kept = [value for value in range(PIXELS) if value not in DROPPED]
    table[kept] = np.arange(len(kept))
    table[IGNORED] = IGNORED
    return table


def _convert(job: _Map, work: Path, classes: int) -> Row:
    # The masks' working folder lies beside the prepared `coco`, as the finished dataset will.
    size = photograph_size(work / job.image.path)
    labels = class_of_pixel()[decode_mask(job.mask.read(), job.mask)]
    return write_labels(labels, job.image, job.split, size, work, classes, job.mask)
