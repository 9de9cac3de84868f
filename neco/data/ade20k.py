"""ADE20K scene parsing (ADEChallengeData2016): 150 classes.

The archive's ids are 0 for "other" and 1 to 150 for the classes. No protocol scores "other", so it
is stored as ignored (255). The classes are stored as 0 to 149.
"""

from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from neco.data.archives import AGAIN, Member, Members, members_of
from neco.data.classes import class_names
from neco.data.dataset import IGNORED
from neco.data.pool import run_all
from neco.data.writing import Description, Row, decode_mask, labelled, write_image, write_mask
from neco.errors import UserError

ARCHIVE = "ADEChallengeData2016.zip"
SPLITS = {"train": "training", "val": "validation"}


class _Pair(NamedTuple):
    split: str
    image: Member
    mask: Member


def build(archives: Path, work: Path, prepared: Path, workers: int | None) -> Description:
    """Write images and masks into `work` and return the rows (see neco/data/__init__.py)."""
    archive = archives / ARCHIVE
    members = members_of(archive)
    classes = class_names("ade20k")
    pairs: list[_Pair] = []
    left_out = {}
    for split, folder in SPLITS.items():
        found, without = _pairs(members, split, folder)
        if not found:
            raise UserError(f"{archive}: holds no annotated images of {folder}; {AGAIN}")
        pairs += found
        left_out[split] = without
    convert = partial(_convert, work=work, classes=len(classes))
    rows = run_all(convert, pairs, len(pairs), "ade20k", workers)
    notes = {"other": "id 0 of the archive is stored as 255; ids 1-150 as 0-149"}
    return Description(classes, False, rows, left_out, notes)


def _pairs(members: Members, split: str, folder: str) -> tuple[list[_Pair], int]:
    """Return the annotated images of a folder, and how many have no annotation."""
    prefix = f"ADEChallengeData2016/images/{folder}/"
    images = {Path(name).stem: name for name in members if name.startswith(prefix)}
    images = {stem: name for stem, name in images.items() if name.endswith(".jpg")}
    mask = f"ADEChallengeData2016/annotations/{folder}/{{}}.png"
    pairs = [
        _Pair(split, members[name], members[mask.format(stem)])
        for stem, name in images.items()
        if mask.format(stem) in members
    ]
    return pairs, len(images) - len(pairs)


def without_other(ids: np.ndarray) -> np.ndarray:
    """Return the archive's ids (0 is other, 1..150) as 0..149, with 255 for other, int32 (H, W).

    An id above 150 stays above the classes and never becomes 255, so that writing refuses it.
    """
    shifted = ids.astype(np.int32) - 1
    shifted[ids == 0] = IGNORED
    shifted[ids == IGNORED + 1] = IGNORED + 1
    return shifted


def _convert(pair: _Pair, work: Path, classes: int) -> Row:
    name = Path(pair.image.name).stem
    image, mask = f"images/{pair.split}/{name}.jpg", f"masks/{pair.split}/{name}.png"
    size, digest = write_image(pair.image, work, image)
    labels = without_other(decode_mask(pair.mask.read(), pair.mask))
    written = write_mask(labels, work, mask, size, classes, pair.mask)
    return labelled(name, image, mask, pair.split, digest, written)
