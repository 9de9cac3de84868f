"""PASCAL VOC 2012 segmentation: train, val and, with SBD, trainaug.

trainaug is SBD's train and val plus VOC's train, without VOC's val (10,582 images). Images that VOC
segments itself keep VOC's mask. The others get SBD's, which has no ignored border.
"""

from functools import partial
from pathlib import Path
from typing import NamedTuple

from neco.data.archives import AGAIN, Member, Members, member, members_of, stream
from neco.data.classes import class_names
from neco.data.matlab import read_matrix
from neco.data.names import listed_names
from neco.data.pool import run_all
from neco.data.text import decoded
from neco.data.writing import Description, Row, decode_mask, labelled, write_image, write_mask
from neco.errors import UserError

TRAINVAL = "VOCtrainval_11-May-2012.tar"
SBD = "benchmark.tgz"
ROOT = "VOCdevkit/VOC2012"


class _Pair(NamedTuple):
    id: str
    split: str
    image: Member
    mask: Member | bytes
    where: str


def build(archives: Path, work: Path, prepared: Path, workers: int | None) -> Description:
    """Write images and masks into `work` and return the rows (see neco/data/__init__.py)."""
    archive = archives / TRAINVAL
    members = members_of(archive)
    lists = {split: split_list(members, split, archive, ROOT) for split in ("train", "val")}
    classes = class_names("pascal-voc")
    convert = partial(_convert, work=work, classes=len(classes))
    pairs = [
        _Pair(name, split, image_of(members, name, archive, lists), mask, str(mask))
        for split, names in lists.items()
        for name in names
        for mask in [member(members, f"{ROOT}/SegmentationClass/{name}.png", archive)]
    ]
    rows = run_all(convert, pairs, len(pairs), "pascal-voc", workers)
    notes = {}
    if (archives / SBD).exists():
        further = _sbd_masks(archives / SBD, {*lists["train"], *lists["val"]})
        pairs = [
            _Pair(
                name,
                "trainaug",
                image_of(members, name, archive, {"SBD": [name]}),
                data,
                f"{archives / SBD}: {name}.mat",
            )
            for name, data in further.items()
        ]
        rows += run_all(convert, pairs, len(pairs), "pascal-voc trainaug", workers)
        rows += [row._replace(split="trainaug") for row in rows if row.split == "train"]
    else:
        notes["trainaug"] = f"left out: {SBD} is not among the archives"
    return Description(classes, True, rows, notes=notes)


def split_list(members: Members, split: str, archive: Path, root: str) -> list[str]:
    """Return the image names of a segmentation split, as the archive lists them.

    A name that is listed twice counts once. Raises UserError for one that leads out of the folder.
    """
    source = member(members, f"{root}/ImageSets/Segmentation/{split}.txt", archive)
    return listed_names(source.read_lines(), source)


def image_of(members: Members, name: str, archive: Path, lists: dict[str, list[str]]) -> Member:
    """Return the photograph of a name in a split list. Raises UserError when there is none."""
    path = f"{ROOT}/JPEGImages/{name}.jpg"
    if path not in members:
        split = next(split for split, names in lists.items() if name in names)
        raise UserError(
            f"{archive}: the list of split '{split}' names {name}, but {path} is not in the "
            f"archive; {AGAIN}"
        )
    return members[path]


def _convert(pair: _Pair, work: Path, classes: int) -> Row:
    image, mask = f"images/{pair.id}.jpg", f"masks/{pair.id}.png"
    size, digest = write_image(pair.image, work, image)
    if isinstance(pair.mask, Member):
        labels = decode_mask(pair.mask.read(), pair.where)
    else:
        labels = read_matrix(pair.mask, ("GTcls", "Segmentation"), pair.where)
    written = write_mask(labels, work, mask, size, classes, pair.where)
    return labelled(pair.id, image, mask, pair.split, digest, written)


def _sbd_masks(archive: Path, without: set[str]) -> dict[str, bytes]:
    """Return the undecoded .mat of every SBD image that VOC's train and val lack."""
    listed: set[str] = set()
    masks = {}
    for name, data in stream(archive):
        path = Path(name)
        if path.match("dataset/train.txt") or path.match("dataset/val.txt"):
            listed.update(listed_names(decoded(data, f"{archive}: {name}").split(), archive))
        elif path.match("dataset/cls/*.mat") and path.stem not in without:
            masks[path.stem] = data
    wanted = listed - without
    for name in sorted(wanted - masks.keys()):
        raise UserError(
            f"{archive}: its split lists name {name}, but cls/{name}.mat is not in the archive; "
            f"{AGAIN}"
        )
    if not listed:
        raise UserError(f"{archive}: holds no dataset/train.txt and dataset/val.txt; {AGAIN}")
    return {name: masks[name] for name in sorted(wanted)}
