"""COCO JSON as labelling tools export it: polygons or run-length masks come in, labels come out."""

import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from pycocotools import mask as run_length

from neco.data.dataset import IGNORED
from neco.data.folder.patterns import Pattern, split_marked
from neco.data.text import read_any_text
from neco.errors import UserError

KEYS = ("images", "annotations", "categories")
MOST_FILES = 50
"""Most JSON files that are looked into for annotations. More of them are something else, such as
one for each image."""
BACKGROUND = "background"


class Outline(NamedTuple):
    """One annotated object."""

    category: str
    segmentation: Any
    """Polygons [[x, y, x, y, ...], ...] or a run-length mask {"counts", "size"}."""


class Annotated(NamedTuple):
    """One image of the JSON."""

    file_name: str
    size: tuple[int, int]
    outlines: list[Outline]


@dataclass(frozen=True)
class Annotations:
    """What one JSON says."""

    path: str
    split: str
    """What `{split}` stands for in the file's path. It is empty where the pattern has none."""
    categories: list[str]
    images: list[Annotated]
    without_outline: int
    """How many annotations are boxes only."""


def guess_pattern(root: Path, others: list[str]) -> str:
    """Return the pattern of the COCO JSON files of a folder, empty where there are none."""
    files = [path for path in others if path.lower().endswith(".json")]
    if not files or len(files) > MOST_FILES:
        return ""
    coco = [path for path in files if _is_coco(root / path)]
    marked = {mark[0]: path for path in coco if (mark := split_marked_path(path))}
    if len(marked) == 1 and len(coco) > 1:
        return next(iter(marked))
    return coco[0] if coco else ""


def split_marked_path(path: str) -> tuple[str, str] | None:
    """Return a path with its split as `{split}`, and that split."""
    parts = list(PurePosixPath(path).parts)
    for position, part in enumerate(parts):
        suffix = PurePosixPath(part).suffix if position == len(parts) - 1 else ""
        if mark := split_marked(part.removesuffix(suffix)):
            parts[position] = mark[0] + suffix
            return "/".join(parts), mark[1]
    return None


def _is_coco(file: Path) -> bool:
    try:
        content = json.loads(read_any_text(file))
        return all(isinstance(content[key], list) for key in KEYS) and any(
            entry.get("segmentation") for entry in content["annotations"]
        )
    except (UserError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False


def read_all(root: Path, pattern: str, others: list[str]) -> list[Annotations]:
    """Return what a pattern's JSON files say. Raises UserError for none and for a wrong one."""
    # The name of a file is no `{id}`: the pattern stands for whole files.
    matcher = Pattern(pattern, root)
    found = []
    for path in others:
        key = matcher.key(path)
        if key is not None:
            found.append(_read(root / path, path, key.split))
    if not found:
        raise UserError(f"{root}: no annotations called {pattern}; mend `annotations`")
    return found


def _read(file: Path, path: str, split: str) -> Annotations:
    try:
        content = json.loads(read_any_text(file))
        names = {entry["id"]: str(entry["name"]) for entry in content["categories"]}
        images = {
            entry["id"]: Annotated(
                str(entry["file_name"]), (int(entry["width"]), int(entry["height"])), []
            )
            for entry in content["images"]
        }
        without = 0
        for entry in content["annotations"]:
            if not entry.get("segmentation"):
                without += 1
                continue
            outline = Outline(names[entry["category_id"]], entry["segmentation"])
            images[entry["image_id"]].outlines.append(outline)
    except ValueError as error:
        raise UserError(f"{file}: not readable JSON ({error}); export it again") from None
    except KeyError as error:
        raise UserError(
            f"{file}: no COCO annotations (lacks, or refers to what is not there: {error}); export "
            "it again"
        ) from None
    except (TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{file}: no COCO annotations ({error}); export it again") from None
    return Annotations(
        path, split, list(dict.fromkeys(names.values())), [*images.values()], without
    )


def drawn(image: Annotated, table: dict[str, int], unannotated: int, where: object) -> np.ndarray:
    """Return the labels of an image, uint8 (H, W). Where outlines overlap, the smaller one is seen.

    table: the class id of every category. A category that is not in it is ignored. unannotated: the
    class id of all other pixels. Raises UserError naming `where` for an outline that cannot be
    drawn.
    """
    width, height = image.size
    labels = np.full((height, width), unannotated, dtype=np.uint8)
    regions = []
    for outline in image.outlines:
        inside = _inside(outline.segmentation, width, height, where)
        regions.append((int(inside.sum()), inside, table.get(outline.category, IGNORED)))
    for _, inside, label in sorted(regions, key=lambda region: -region[0]):
        labels[inside] = label
    return labels


def _inside(segmentation: Any, width: int, height: int, where: object) -> np.ndarray:
    try:
        if isinstance(segmentation, dict):
            if isinstance(segmentation["counts"], list):
                segmentation = run_length.frPyObjects(segmentation, height, width)
            inside = run_length.decode(segmentation)
        else:
            polygons = [[float(number) for number in polygon] for polygon in segmentation]
            if any(len(polygon) < 6 or len(polygon) % 2 for polygon in polygons):
                raise ValueError("a polygon has fewer than three corners or half a corner")
            merged = run_length.merge(run_length.frPyObjects(polygons, height, width))
            inside = run_length.decode(merged)
        if inside.shape != (height, width):
            raise ValueError(f"a mask of {inside.shape[1]}x{inside.shape[0]}")
    except Exception as error:  # pycocotools raises bare exceptions
        reason = " ".join(str(error).split())
        raise UserError(
            f"{where}: has an outline that cannot be drawn ({reason}); mend or remove it"
        ) from None
    result: np.ndarray = np.asarray(inside).astype(bool)
    return result
