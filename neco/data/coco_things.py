"""COCO-Things: COCO's 80 object categories merged into their 12 supercategories.

Labels come from the panoptic annotations (JSON plus PNGs whose colour is the segment id). Every
pixel that is no thing, or void, is ignored. Class ids follow the sorted supercategory names.
"""

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from neco.data.archives import AGAIN, Member, member, members_of, unpack_nested
from neco.data.coco import (
    SPLITS,
    photograph_size,
    photographs_of,
    refuse_strangers,
    supercategories,
)
from neco.data.dataset import IGNORED
from neco.data.progress import run_all
from neco.data.writing import Description, Row, decode_colours, write_mask
from neco.errors import UserError

ARCHIVE = "panoptic_annotations_trainval2017.zip"


class _Panoptic(NamedTuple):
    split: str
    image: str
    mask: Member
    label_of_segment: dict[int, int]


def build(archives: Path, work: Path, prepared: Path, workers: int | None) -> Description:
    """Write the masks into `work`; images stay those of the prepared `coco`."""
    archive = archives / ARCHIVE
    members = members_of(archive)
    rows: list[Row] = []
    classes: list[str] = []
    left_out = {}
    for split, folder in SPLITS.items():
        annotations = member(members, f"annotations/panoptic_{folder}.json", archive)
        images = photographs_of(prepared, split)
        classes, named = _segments(annotations)
        refuse_strangers(images, named, annotations)
        nested = work / f"panoptic_{folder}.zip"
        masks = unpack_nested(member(members, f"annotations/{nested.name}", archive), nested)
        jobs = [
            _Panoptic(split, images[name], member(masks, f"{nested.stem}/{png}", archive), labels)
            for name, (png, labels) in named.items()
        ]
        convert = partial(_convert, work=work, classes=len(classes))
        rows += run_all(convert, jobs, len(jobs), f"coco-things {split}", workers)
        left_out[split] = len(images) - len(named)
        nested.unlink()
    return Description(classes, False, rows, left_out)


def _segments(annotations: Member) -> tuple[list[str], dict[str, tuple[str, dict[int, int]]]]:
    """Return the class names and, per image file name, (PNG name, class id of every segment)."""
    content: dict[str, Any] = annotations.read_json()
    try:
        classes, label = supercategories(content["categories"], lambda entry: entry["isthing"])
        file_name = {image["id"]: image["file_name"] for image in content["images"]}
        return classes, {
            file_name[entry["image_id"]]: (
                entry["file_name"],
                {
                    segment["id"]: label[segment["category_id"]]
                    for segment in entry["segments_info"]
                },
            )
            for entry in content["annotations"]
        }
    except (KeyError, TypeError) as error:
        raise UserError(
            f"{annotations}: not COCO panoptic annotations ({error!r}); {AGAIN}"
        ) from None


def merged_labels(
    colours: np.ndarray, label_of_segment: dict[int, int], where: object
) -> np.ndarray:
    """Return class ids (H, W) from panoptic colours (H, W, 3): id = R + 256 G + 65536 B.

    Id 0 is void, hence ignored. Raises UserError for a segment that the JSON does not describe.
    """
    segments = colours.astype(np.int32) @ np.array([1, 256, 65536], dtype=np.int32)  # (H, W)
    known = np.array(sorted({0, *label_of_segment}), dtype=np.int32)
    labels = np.array([label_of_segment.get(int(k), IGNORED) for k in known], dtype=np.uint8)
    position = np.searchsorted(known, segments).clip(max=len(known) - 1)
    strange = segments[known[position] != segments]
    if strange.size:
        raise UserError(
            f"{where}: impossible segment id {strange[0]}, not in the annotations; {AGAIN}"
        )
    return labels[position]


def _convert(job: _Panoptic, work: Path, classes: int) -> Row:
    name = Path(job.image).stem
    # The masks' working folder lies beside the prepared `coco`, as the finished dataset will.
    size = photograph_size(work / job.image)
    colours = decode_colours(job.mask.read(), job.mask.name)
    labels = merged_labels(colours, job.label_of_segment, job.mask.name)
    mask = f"masks/{job.split}/{name}.png"
    empty = write_mask(labels, work / mask, size, classes, job.mask.name)
    return Row(name, job.image, mask, job.split, empty)
