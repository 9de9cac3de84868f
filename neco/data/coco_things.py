"""COCO-Things: COCO's 80 object categories merged into their 12 supercategories.

Labels come from the panoptic annotations: JSON, and PNGs whose colours are the segments' ids. Every
pixel that is void or no thing is ignored. Class ids follow the sorted supercategory names.
"""

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from neco.data.archives import AGAIN, Member, member, members_of, unpack_nested
from neco.data.coco import SPLITS, Shared, photograph_size, photographs_of, write_labels
from neco.data.coco_annotations import read_annotations, refuse_unknown_images
from neco.data.dataset import IGNORED
from neco.data.pool import run_all
from neco.data.writing import Description, Row, decode_colours
from neco.errors import UserError

ARCHIVE = "panoptic_annotations_trainval2017.zip"


class _Segments(NamedTuple):
    """One image's entry in the JSON."""

    image: int
    png: str
    category_of_segment: dict[int, int]


class _Panoptic(NamedTuple):
    """One image to convert."""

    split: str
    image: Shared
    mask: Member
    label_of_segment: dict[int, int]


def build(archives: Path, work: Path, prepared: Path, workers: int | None) -> Description:
    """Write the masks into `work` and return the rows (see neco/data/__init__.py).

    The images stay those of the prepared `coco`.
    """
    archive = archives / ARCHIVE
    members = members_of(archive)
    rows: list[Row] = []
    classes: list[str] = []
    left_out = {}
    for split, folder in SPLITS.items():
        images = photographs_of(prepared, split)
        source = member(members, f"annotations/panoptic_{folder}.json", archive)
        annotations = read_annotations(source, _segments)
        classes, label = annotations.classes(lambda category: bool(category["isthing"]))
        named = {annotations.file_name(entry.image): entry for entry in annotations.entries}
        refuse_unknown_images(images, named, source)
        nested = work / f"panoptic_{folder}.zip"
        masks = unpack_nested(member(members, f"annotations/{nested.name}", archive), nested)
        jobs = [
            _Panoptic(
                split,
                images[name],
                member(masks, f"{nested.stem}/{entry.png}", archive),
                _labels(entry, label, source),
            )
            for name, entry in named.items()
        ]
        convert = partial(_convert, work=work, classes=len(classes))
        rows += run_all(convert, jobs, len(jobs), f"coco-things {split}", workers)
        left_out[split] = len(images) - len(named)
        nested.unlink()
    return Description(classes, False, rows, left_out)


def _segments(entry: dict[str, Any]) -> _Segments:
    categories = {segment["id"]: segment["category_id"] for segment in entry["segments_info"]}
    return _Segments(entry["image_id"], entry["file_name"], categories)


def _labels(entry: _Segments, label: dict[int, int], source: Member) -> dict[int, int]:
    """Return the class id of every segment of one image."""
    try:
        return {segment: label[found] for segment, found in entry.category_of_segment.items()}
    except KeyError as error:
        raise UserError(
            f"{source}: {entry.png} has a segment of unknown category {error}; {AGAIN}"
        ) from None


def merged_labels(
    colours: np.ndarray, label_of_segment: dict[int, int], where: object
) -> np.ndarray:
    """Return the class ids (H, W) of panoptic colours (H, W, 3).

    A segment's id is R + 256 G + 65536 B. Id 0 is void, which is ignored. Raises UserError for a
    segment that the JSON does not describe.
    """
    red, green, blue = colours.astype(np.int32).transpose(2, 0, 1)  # each (H, W)
    segments = red + (green << 8) + (blue << 16)
    # The last entry is past every id, so that a search never runs off the end.
    known = np.array([*sorted({0, *label_of_segment}), np.iinfo(np.int32).max], dtype=np.int32)
    labels = np.array([label_of_segment.get(int(k), IGNORED) for k in known], dtype=np.uint8)
    position = np.searchsorted(known, segments)
    strange = segments[known[position] != segments]
    if strange.size:
        raise UserError(
            f"{where}: impossible segment id {strange[0]}, not in the annotations; {AGAIN}"
        )
    return labels[position]


def _convert(job: _Panoptic, work: Path, classes: int) -> Row:
    # The masks' working folder lies beside the prepared `coco`, as the finished dataset will.
    size = photograph_size(work / job.image.path)
    where = job.mask.name
    labels = merged_labels(decode_colours(job.mask.read(), where), job.label_of_segment, where)
    return write_labels(labels, job.image, job.split, size, work, classes, where)
