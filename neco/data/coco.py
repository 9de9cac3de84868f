"""COCO 2017 photographs, unlabelled: train and val. Other COCO datasets refer to these images."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from neco.data.archives import AGAIN, Member, members_of
from neco.data.dataset import IGNORED
from neco.data.progress import run_all
from neco.data.writing import Description, Row, write_image
from neco.errors import UserError

SPLITS = {"train": "train2017", "val": "val2017"}


class _Photograph(NamedTuple):
    split: str
    member: Member


def build(archives: Path, work: Path, prepared: Path, workers: int | None) -> Description:
    """Write the images into `work`; return their rows."""
    photographs = []
    for split, folder in SPLITS.items():
        archive = archives / f"{folder}.zip"
        found = [
            _Photograph(split, item)
            for name, item in members_of(archive).items()
            if name.startswith(f"{folder}/") and name.endswith(".jpg")
        ]
        if not found:
            raise UserError(f"{archive}: holds no {folder}/*.jpg; {AGAIN}")
        photographs += found
    write = partial(_write, work=work)
    rows = run_all(write, photographs, len(photographs), "coco", workers)
    return Description([], False, rows)


def _write(photograph: _Photograph, work: Path) -> Row:
    image = f"images/{photograph.member.name}"
    write_image(photograph.member, work / image)
    return Row(Path(image).stem, image, "", photograph.split)


def photographs_of(prepared: Path, split: str) -> dict[str, str]:
    """Return the images of the prepared `coco` by file name, as paths relative to a sibling of it.

    Raises UserError when `coco` is not prepared.
    """
    folder = SPLITS[split]
    images = prepared / "coco" / "images" / folder
    if not (prepared / "coco" / "index.csv").exists() or not images.is_dir():
        raise UserError(
            f"{prepared / 'coco'}: the COCO images are not prepared; run `neco prepare coco` first"
        )
    return {path.name: f"../coco/images/{folder}/{path.name}" for path in images.iterdir()}


def photograph_size(path: Path) -> tuple[int, int]:
    """Return (width, height) of a prepared COCO image from its header."""
    with Image.open(path) as image:
        return image.size


def refuse_strangers(images: dict[str, str], named: Iterable[str], annotations: object) -> None:
    """Raise UserError when the annotations name an image that the image archives lack."""
    for name in named:
        if name not in images:
            raise UserError(
                f"{annotations}: names {name}, which the prepared `coco` images lack; the archives "
                "do not belong together, fetch both again and prepare `coco` anew"
            )


def supercategories(
    categories: list[dict[str, Any]], keep: Callable[[dict[str, Any]], bool]
) -> tuple[list[str], dict[int, int]]:
    """Return the sorted supercategory names and, per category id, its class id (255 = ignored).

    Only categories that `keep` accepts count; the others are ignored pixels.
    """
    names = sorted({entry["supercategory"] for entry in categories if keep(entry)})
    label = {
        entry["id"]: names.index(entry["supercategory"]) if keep(entry) else IGNORED
        for entry in categories
    }
    return names, label
