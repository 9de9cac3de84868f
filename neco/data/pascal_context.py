"""Pascal Context: 59 classes and background on the photographs of VOC 2010.

Labels come from the authors' release, trainval.tar.gz. It has a .mat file for each image, with a
LabelMap of 459 categories and 0 for unlabelled. The 59 frequent categories keep their own class, in
the order of their ids. Everything else is background (class 0), as in MMSegmentation. The splits
are VOC 2010's `Main` lists: 4,998 train and 5,105 val images.
"""

from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from neco.data.archives import AGAIN, Member, member, members_of, stream
from neco.data.classes import class_names
from neco.data.matlab import read_matrix
from neco.data.names import listed_names
from neco.data.pool import run_all
from neco.data.writing import Description, Row, labelled, write_image, write_mask
from neco.errors import UserError

PHOTOGRAPHS = "VOCtrainval_03-May-2010.tar"
ANNOTATIONS = "trainval.tar.gz"
ROOT = "VOCdevkit/VOC2010"
CATEGORIES = 459
# fmt: off
FREQUENT = (
    2, 9, 18, 19, 22, 23, 25, 31, 33, 34, 44, 45, 46, 59, 65, 68, 72, 80, 85, 98, 104, 105, 113,
    115, 144, 158, 159, 162, 187, 189, 207, 220, 232, 258, 259, 260, 284, 295, 296, 308, 324, 326,
    347, 349, 354, 355, 360, 366, 368, 397, 415, 416, 420, 424, 427, 440, 445, 454, 458,
)
# fmt: on
"""Ids of the 59 categories in the LabelMap. The first is class 1."""


class _Pair(NamedTuple):
    id: str
    split: str
    image: Member
    matrix: bytes


def build(archives: Path, work: Path, prepared: Path, workers: int | None) -> Description:
    """Write images and masks into `work` and return the rows (see neco/data/__init__.py)."""
    archive = archives / PHOTOGRAPHS
    members = members_of(archive)
    matrices = {
        Path(name).stem: data
        for name, data in stream(archives / ANNOTATIONS)
        if name.endswith(".mat")
    }
    pairs: list[_Pair] = []
    left_out = {}
    for split in ("train", "val"):
        source = member(members, f"{ROOT}/ImageSets/Main/{split}.txt", archive)
        names = listed_names(source.read_lines(), source)
        labelled = [name for name in names if name in matrices]
        left_out[split] = len(names) - len(labelled)
        for name in labelled:
            path = f"{ROOT}/JPEGImages/{name}.jpg"
            if path not in members:
                raise UserError(
                    f"{archive}: the list of split '{split}' names {name}, but {path} is not in "
                    f"the archive; {AGAIN}"
                )
            pairs.append(_Pair(name, split, members[path], matrices.pop(name)))
    if not pairs:
        raise UserError(
            f"{archives / ANNOTATIONS}: annotates none of the images of {PHOTOGRAPHS}; {AGAIN}"
        )
    classes = class_names("pascal-context")
    convert = partial(_convert, work=work, classes=len(classes), annotations=archives / ANNOTATIONS)
    rows = run_all(convert, pairs, len(pairs), "pascal-context", workers)
    return Description(classes, True, rows, left_out)


def class_of_category() -> np.ndarray:
    """Return the class id of every category id 0..459, uint8 (460,)."""
    table = np.zeros(CATEGORIES + 1, dtype=np.uint8)
    table[list(FREQUENT)] = np.arange(1, len(FREQUENT) + 1)
    return table


def _convert(pair: _Pair, work: Path, classes: int, annotations: Path) -> Row:
    where = f"{annotations}: {pair.id}.mat"
    categories = read_matrix(pair.matrix, ("LabelMap",), where)
    if categories.min() < 0 or categories.max() > CATEGORIES:
        raise UserError(
            f"{where}: impossible label {categories.max()}; there are {CATEGORIES} categories; "
            f"{AGAIN}"
        )
    image, mask = f"images/{pair.id}.jpg", f"masks/{pair.id}.png"
    size, digest = write_image(pair.image, work, image)
    labels = class_of_category()[categories]
    written = write_mask(labels, work, mask, size, classes, where)
    return labelled(pair.id, image, mask, pair.split, digest, written)
