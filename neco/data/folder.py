"""A folder of the user's own images, with masks or without.

    <name>/              unlabelled: images anywhere below
    <name>/images/       labelled: the images
    <name>/masks/        labelled: <same relative path>.png, one grey or palette value per pixel
    <name>/classes.txt   labelled: one class name per line, in the order of the ids; 255 is ignored

Splits come from subfolders `train` and `val` of the images, else from lists `train.txt` and
`val.txt` of names without suffix, else: all images are `train`, and where they are labelled every
fifth in alphabetical order is `val`.
"""

from functools import partial
from pathlib import Path
from typing import NamedTuple

from neco.data.progress import run_all
from neco.data.sources import hint
from neco.data.writing import (
    Description,
    Row,
    decode_mask,
    digest_of,
    image_size,
    labelled,
    write_mask,
)
from neco.errors import UserError

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}
SPLITS = ("train", "val")
EVERY = 5
"""Of labelled images without splits, one in this many is held out."""

Found = dict[str, list[Path]]
"""Images per split."""


class _Image(NamedTuple):
    split: str
    path: Path
    id: str
    """Relative path without suffix."""
    mask: Path | None


def build(dataset: str, archives: Path, work: Path, workers: int | None) -> Description:
    """Link the images of `archives/<dataset>` and write checked masks; return rows and classes."""
    root = user_folder(archives / dataset)
    images = root / "images" if (root / "images").is_dir() else root
    labelled = (root / "masks").is_dir()
    if labelled and images == root:
        raise UserError(f"{root}: has masks/ but no images/; put the images there")
    found = _splits(root, images, labelled)
    if not labelled:
        return Description([], False, linked_rows(images, found, work, dataset, workers))
    classes = _classes(root / "classes.txt")
    with_mask = {
        split: [path for path in paths if _mask_of(path, images, root / "masks").exists()]
        for split, paths in found.items()
    }
    if not any(with_mask.values()):
        example = _mask_of(next(iter(found.values()))[0], images, root / "masks")
        raise UserError(
            f"{root / 'masks'}: no image has a mask; masks are named like {example.name}"
        )
    rows = linked_rows(images, with_mask, work, dataset, workers, root / "masks", len(classes))
    left_out = {split: len(paths) - len(with_mask[split]) for split, paths in found.items()}
    return Description(classes, classes[0] == "background", rows, left_out)


def user_folder(path: Path) -> Path:
    """Return the folder, links resolved. Raises UserError when there is none."""
    if not path.is_dir():
        raise UserError(
            f"{path}: no such folder of images; put it there, or name a folder that holds it as "
            f"`mirror` in the configuration{hint(path.name)}"
        )
    return path.resolve()


def find_images(folder: Path) -> list[Path]:
    """Return all images below a folder, sorted. Raises UserError when there are none."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not found:
        raise UserError(f"{folder}: holds no images ({', '.join(sorted(SUFFIXES))})")
    return found


def linked_rows(
    images: Path,
    found: Found,
    work: Path,
    title: str,
    workers: int | None,
    masks: Path | None = None,
    classes: int = 0,
) -> list[Row]:
    """Link the folder `images` as `work/images`, check every image, write masks; return the rows.

    The images themselves stay where they are: nothing is copied.
    """
    (work / "images").symlink_to(images, target_is_directory=True)
    jobs = [
        _Image(
            split,
            path,
            path.relative_to(images).with_suffix("").as_posix(),
            _mask_of(path, images, masks) if masks else None,
        )
        for split, paths in found.items()
        for path in paths
    ]
    seen: dict[tuple[str, str], Path] = {}
    for job in jobs:
        twin = seen.setdefault((job.split, job.id), job.path)
        if twin != job.path:
            raise UserError(f"{job.path}: differs from {twin.name} in the suffix only; rename one")
    convert = partial(_convert, work=work, images=images, classes=classes)
    return run_all(convert, jobs, len(jobs), title, workers)


def _convert(job: _Image, work: Path, images: Path, classes: int) -> Row:
    data = job.path.read_bytes()
    size, digest = image_size(data, job.path), digest_of(data)
    image = f"images/{job.path.relative_to(images).as_posix()}"
    if job.mask is None:
        return Row(job.id, image, "", job.split, digest)
    mask = f"masks/{job.id}.png"
    labels = decode_mask(job.mask.read_bytes(), job.mask)
    written = write_mask(labels, work, mask, size, classes, job.mask)
    return labelled(job.id, image, mask, job.split, digest, written)


def _splits(root: Path, images: Path, labelled: bool) -> Found:
    folders = {split: images / split for split in SPLITS if (images / split).is_dir()}
    if folders:
        return {split: find_images(folder) for split, folder in folders.items()}
    everything = find_images(images)
    lists = {split: root / f"{split}.txt" for split in SPLITS if (root / f"{split}.txt").exists()}
    if lists:
        by_name = {path.relative_to(images).with_suffix("").as_posix(): path for path in everything}
        return {split: _listed(file, by_name, images) for split, file in lists.items()}
    if not labelled:
        return {"train": everything}
    held_out = everything[EVERY - 1 :: EVERY]
    return {"train": [path for path in everything if path not in set(held_out)], "val": held_out}


def _listed(file: Path, by_name: dict[str, Path], images: Path) -> list[Path]:
    names = [line.strip() for line in file.read_text().splitlines() if line.strip()]
    for name in names:
        if name not in by_name:
            raise UserError(
                f"{file}: names {name}, but {images} holds no such image; mend the list (names "
                "without suffix) or add the image"
            )
    return [by_name[name] for name in names]


def _mask_of(image: Path, images: Path, masks: Path) -> Path:
    return masks / image.relative_to(images).with_suffix(".png")


def _classes(file: Path) -> list[str]:
    names = file.read_text().split("\n") if file.exists() else []
    classes = [name.strip() for name in names if name.strip()]
    if not classes:
        raise UserError(
            f"{file}: masks need class names; write one per line, in the order of the ids"
        )
    return classes
