"""COCO-Stuff: the 91 stuff categories merged into their 15 supercategories.

Labels come from the stuff JSON, one run-length mask per image and category. The category "other"
(everything that is no stuff, things included) and pixels without annotation are ignored. Class
ids follow the sorted supercategory names.
"""

from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pycocotools import mask as run_length

from neco.data.archives import AGAIN, Member, member, members_of
from neco.data.coco import (
    SPLITS,
    photograph_size,
    photographs_of,
    refuse_strangers,
    supercategories,
)
from neco.data.dataset import IGNORED
from neco.data.progress import run_all
from neco.data.writing import Description, Row, write_mask
from neco.errors import UserError

ARCHIVE = "stuff_annotations_trainval2017.zip"
Region = tuple[int, dict[str, Any]]
"""Class id and run-length mask: {"counts", "size": [height, width]}."""


class _Stuff(NamedTuple):
    split: str
    image: str
    regions: list[Region]
    where: str


def build(archives: Path, work: Path, prepared: Path, workers: int | None) -> Description:
    """Write the masks into `work`; images stay those of the prepared `coco`."""
    archive = archives / ARCHIVE
    members = members_of(archive)
    rows: list[Row] = []
    classes: list[str] = []
    left_out = {}
    for split, folder in SPLITS.items():
        annotations = member(members, f"annotations/stuff_{folder}.json", archive)
        images = photographs_of(prepared, split)
        classes, regions = _regions(annotations)
        refuse_strangers(images, regions, annotations)
        jobs = (
            _Stuff(split, images[name], found, f"{annotations}: {name}")
            for name, found in regions.items()
        )
        convert = partial(_convert, work=work, classes=len(classes))
        rows += run_all(convert, jobs, len(regions), f"coco-stuff {split}", workers)
        left_out[split] = len(images) - len(regions)
    return Description(classes, False, rows, left_out)


def _regions(annotations: Member) -> tuple[list[str], dict[str, list[Region]]]:
    """Return the class names and, per image file name, its labelled regions."""
    content: dict[str, Any] = annotations.read_json()
    try:
        classes, label = supercategories(
            content["categories"], lambda entry: entry["supercategory"] != "other"
        )
        file_name = {image["id"]: image["file_name"] for image in content["images"]}
        regions: dict[str, list[Region]] = defaultdict(list)
        for entry in content["annotations"]:
            region = label[entry["category_id"]], entry["segmentation"]
            regions[file_name[entry["image_id"]]].append(region)
        return classes, dict(regions)
    except (KeyError, TypeError) as error:
        raise UserError(f"{annotations}: not COCO stuff annotations ({error!r}); {AGAIN}") from None


def merged_labels(regions: list[Region], size: tuple[int, int], where: object) -> np.ndarray:
    """Return class ids (H, W); `size` is (width, height).

    Raises UserError when a region is no run-length mask or has another size than the image.
    """
    labels = np.full((size[1], size[0]), IGNORED, dtype=np.uint8)
    for label, region in regions:
        try:
            if isinstance(region["counts"], list):
                region = run_length.frPyObjects(region, *region["size"])
            inside = run_length.decode(region).astype(bool)
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{where}: not a run-length mask ({error!r}); {AGAIN}") from None
        if inside.shape != labels.shape:
            raise UserError(
                f"{where}: a mask of {inside.shape[1]}x{inside.shape[0]} for an image of "
                f"{size[0]}x{size[1]}; they are not a pair, fetch both archives again"
            )
        if label != IGNORED:
            labels[inside] = label
    return labels


def _convert(job: _Stuff, work: Path, classes: int) -> Row:
    name = Path(job.image).stem
    # The masks' working folder lies beside the prepared `coco`, as the finished dataset will.
    size = photograph_size(work / job.image)
    labels = merged_labels(job.regions, size, job.where)
    mask = f"masks/{job.split}/{name}.png"
    empty = write_mask(labels, work / mask, size, classes, job.where)
    return Row(name, job.image, mask, job.split, empty)
