"""COCO-Stuff: the 91 stuff categories merged into their 15 supercategories.

Labels come from the stuff JSON, which has one run-length mask for each image and category. The
category "other" (everything that is no stuff, things included) and pixels without annotation are
ignored. Class ids follow the sorted supercategory names.
"""

from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pycocotools import mask as run_length

from neco.data.archives import AGAIN, member, members_of
from neco.data.coco import SPLITS, Shared, photograph_size, photographs_of, write_labels
from neco.data.coco_annotations import Annotations, read_annotations, refuse_unknown_images
from neco.data.dataset import IGNORED
from neco.data.pool import run_all
from neco.data.writing import Description, Row
from neco.errors import UserError

ARCHIVE = "stuff_annotations_trainval2017.zip"


class Region(NamedTuple):
    """A run-length mask and what it shows."""

    label: int
    """The category id of the JSON, and later the class id of the mask."""
    run_length: dict[str, Any]
    """{"counts", "size": [height, width]}."""


class _Stuff(NamedTuple):
    """One image to convert."""

    split: str
    image: Shared
    regions: list[Region]
    where: str


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
        source = member(members, f"annotations/stuff_{folder}.json", archive)
        annotations = read_annotations(source, _region)
        classes, label = annotations.classes(lambda entry: entry["supercategory"] != "other")
        regions = _by_image(annotations, label)
        refuse_unknown_images(images, regions, source)
        jobs = (
            _Stuff(split, images[name], found, f"{source}: {name}")
            for name, found in regions.items()
        )
        convert = partial(_convert, work=work, classes=len(classes))
        rows += run_all(convert, jobs, len(regions), f"coco-stuff {split}", workers)
        left_out[split] = len(images) - len(regions)
    return Description(classes, False, rows, left_out)


def _region(entry: dict[str, Any]) -> tuple[int, Region]:
    return entry["image_id"], Region(entry["category_id"], entry["segmentation"])


def _by_image(
    annotations: Annotations[tuple[int, Region]], label: dict[int, int]
) -> dict[str, list[Region]]:
    """Return the regions of every annotated image, categories replaced by class ids."""
    regions: dict[str, list[Region]] = defaultdict(list)
    for image, region in annotations.entries:
        if region.label not in label:
            raise UserError(
                f"{annotations.source}: {annotations.file_name(image)} has a region of category "
                f"{region.label}, which is not defined; {AGAIN}"
            )
        regions[annotations.file_name(image)].append(region._replace(label=label[region.label]))
    return dict(regions)


def merged_labels(regions: list[Region], size: tuple[int, int], where: object) -> np.ndarray:
    """Return the class ids of an image's regions, uint8 (H, W).

    size: the image's (width, height). where: what messages call the source. Raises UserError when
    a region is no run-length mask or has another size than the image.
    """
    labels = np.full((size[1], size[0]), IGNORED, dtype=np.uint8)
    for region in regions:
        inside = _decoded(region.run_length, where)
        if inside.shape != labels.shape:
            raise UserError(
                f"{where}: a mask of {inside.shape[1]}x{inside.shape[0]} for an image of "
                f"{size[0]}x{size[1]}; they are not a pair, fetch both archives again"
            )
        if region.label != IGNORED:
            labels[inside] = region.label
    return labels


def _decoded(encoded: dict[str, Any], where: object) -> np.ndarray:
    """Return a run-length mask, compressed or as a list of counts, as bool (H, W)."""
    try:
        if isinstance(encoded["counts"], list):
            encoded = run_length.frPyObjects(encoded, *encoded["size"])
        inside: np.ndarray = run_length.decode(encoded).astype(bool)
        return inside
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{where}: not a run-length mask ({error!r}); {AGAIN}") from None


def _convert(job: _Stuff, work: Path, classes: int) -> Row:
    # The masks' working folder lies beside the prepared `coco`, as the finished dataset will.
    size = photograph_size(work / job.image.path)
    labels = merged_labels(job.regions, size, job.where)
    return write_labels(labels, job.image, job.split, size, work, classes, job.where)
