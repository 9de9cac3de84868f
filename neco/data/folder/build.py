"""Making a dataset of your own folder: its files come in, checked images and masks come out.

Images are turned upright, and what is left out is listed.
"""

from collections import Counter
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from neco.data.folder.annotations import Annotated, drawn
from neco.data.folder.classes import category_table, fill_classes, has_background, known_classes
from neco.data.folder.labels import ClassMap, read_values
from neco.data.folder.match import plan_of
from neco.data.folder.patterns import literal_folder
from neco.data.folder.plan import FILE, Plan, count_unused, without_labels
from neco.data.folder.walk import Listing
from neco.data.left_out import Unusable, UnusableError, counted
from neco.data.names import place
from neco.data.photographs import Photograph, read_photograph
from neco.data.pool import run_all
from neco.data.sources import hint
from neco.data.writing import (
    Description,
    Row,
    digest_of,
    labelled,
    refuse_unlabelled,
    write_mask,
)
from neco.errors import UserError
from neco.files import refuse_no_folder


class _Job(NamedTuple):
    """One image to convert."""

    split: str
    id: str
    image: str
    """Its path below the folder."""
    mask: str
    annotated: Annotated | None


class _Classes(NamedTuple):
    """What turns labels into class ids."""

    map: ClassMap
    categories: dict[str, int]
    unannotated: int


class _Done(NamedTuple):
    """What one job gave."""

    row: Row | None
    kinds: tuple[str, ...] = ()
    unusable: Unusable | None = None


def build(
    folder: Path, work: Path, workers: int | None, skip: int | None = None, labels: bool = True
) -> Description:
    """Link the images of a folder, write checked masks, and return the rows and classes.

    skip: how many files may be unusable; None stands for what dataset.yaml says. labels: whether
    masks are read. Without them the images are for training, whatever the masks mean.
    """
    root = user_folder(folder)
    listing, plan = plan_of(root)
    if labels:
        fill_classes(plan, listing.others, workers)
    else:
        without_labels(plan)
    classes = known_classes(plan) if plan.labelled else None
    return convert(plan, classes, listing, work, folder.name, workers, skip)


def user_folder(path: Path) -> Path:
    """Return the folder with its links resolved. Raises UserError when there is none."""
    if path.exists() or path.is_symlink():
        refuse_no_folder(path, "your images")
    else:
        raise UserError(
            f"{path}: no such folder of images; put it there, or name a folder that holds it as "
            f"`mirror` in the configuration{hint(path.name)}"
        )
    return path.resolve()


def convert(
    plan: Plan,
    classes: ClassMap | None,
    listing: Listing,
    work: Path,
    title: str,
    workers: int | None,
    skip: int | None = None,
) -> Description:
    """Link the images as `work/images`, write converted ones and masks, return the description.

    Images that are upright 8-bit RGB or grey stay where they are and are not copied. Raises
    UserError for labels that mean nothing, and where more is unusable than the policy allows.
    """
    left_out = listing.left_out
    count_unused(plan, listing)
    base = literal_folder(plan.settings.images or "")
    (work / "images").symlink_to(plan.root / base, target_is_directory=True)
    jobs = [
        _Job(split, plan.ids[path], path, plan.masks.get(path, ""), plan.annotated.get(path))
        for split, paths in plan.splits.items()
        for path in paths
        if not plan.labelled or plan.has_labels(path)
    ]
    meanings = None
    if classes is not None:
        table = category_table(plan, classes) if plan.annotated else ({}, 255)
        meanings = _Classes(classes, *table)
    upright = plan.settings.orientation == "upright"
    work_on = partial(
        _convert, root=plan.root, base=base, work=work, classes=meanings, upright=upright
    )
    done = run_all(work_on, jobs, len(jobs), title, workers)
    rows = [entry.row for entry in done if entry.row]
    left_out.unusable += _once(entry.unusable for entry in done if entry.unusable)
    left_out.decide(plan.root, len(rows), plan.settings.skip if skip is None else skip)
    if not rows:
        raise UserError(f"{plan.root}: no image is left; put images there, or mend {FILE}")
    refuse_unlabelled(plan.root, rows)
    names = list(classes.names) if classes else []
    without = {
        split: sum(not plan.has_labels(path) for path in paths)
        for split, paths in plan.splits.items()
    }
    kinds = Counter(kind for entry in done if entry.row for kind in entry.kinds)
    remarks = [f"guessed: {'; '.join(plan.guessed)}"] if plan.guessed else []
    remarks += [*plan.remarks, *([f"images {counted(kinds.items())}"] if kinds else [])]
    return Description(
        names,
        has_background(plan.settings, tuple(names)),
        rows,
        without if plan.labelled else {},
        {"left_out": left_out.counts(), "converted": dict(kinds), "guessed": plan.guessed},
        remarks,
    )


def _once(unusable: Iterable[Unusable]) -> list[Unusable]:
    """Return each entry once, because an image in two splits is listed twice."""
    return list(dict.fromkeys(unusable))


def _convert(
    job: _Job, root: Path, base: str, work: Path, classes: _Classes | None, upright: bool
) -> _Done:
    path = root / job.image
    try:
        data = _read(path)
        photograph = read_photograph(data, path, upright)
        image = f"images/{job.image.removeprefix(base)}"
        if photograph.copy is not None:
            data = photograph.copy
            image = f"converted/{job.image.removeprefix(base)}{photograph.suffix}"
        row = Row(job.id, image, "", job.split, digest_of(data))
        if classes is not None:
            row = _labelled(job, root, work, classes, photograph, row, upright)
    except UnusableError as error:
        return _Done(None, unusable=error.entry())
    if photograph.copy is not None:
        place(work, image, path).write_bytes(data)
    return _Done(row, photograph.kinds)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnusableError(
            "unreadable", f"{path}: cannot be read ({error.strerror}); make it readable"
        ) from None


def _labelled(
    job: _Job,
    root: Path,
    work: Path,
    classes: _Classes,
    photograph: Photograph,
    row: Row,
    upright: bool,
) -> Row:
    if job.annotated is not None:
        where = root / job.image
        labels = drawn(job.annotated, classes.categories, classes.unannotated, where)
    else:
        where = root / job.mask
        data = _read(where)
        labels = classes.map.labels(read_values(data, where, upright), where, data)
    _refuse_other_size(labels, photograph, where)
    mask = f"masks/{job.split}/{job.id}.png"
    written = write_mask(labels, work, mask, photograph.size, len(classes.map.names), where)
    return labelled(row.id, row.image, mask, row.split, row.image_digest, written)


def _refuse_other_size(labels: np.ndarray, photograph: Photograph, where: Path) -> None:
    size = (labels.shape[1], labels.shape[0])
    if size == photograph.size:
        return
    remedy = "they are not a pair, replace one of both"
    if size == photograph.stored:
        remedy = (
            "it fits the image as stored, before its EXIF data turn it; if all masks were drawn on "
            f"stored pixels, write `orientation: stored` into {FILE}"
        )
    raise UnusableError(
        "with a mask of another size",
        f"{where}: the mask is {size[0]}x{size[1]} but its image is {photograph.size[0]}x"
        f"{photograph.size[1]}; {remedy}",
    )
