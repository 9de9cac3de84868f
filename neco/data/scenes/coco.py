"""Generated scenes as COCO 2017: photographs, panoptic, stuff and stuff-thing annotations."""

import io
import json
import zipfile
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml
from pycocotools import mask as run_length

from neco.config.datasets import Scenes
from neco.data import coco_stuff, coco_stuff_164k, coco_things
from neco.data.coco import SPLITS
from neco.data.scenes.encode import Split, each, jpeg, png, render, splits_of
from neco.data.scenes.scene import Scene
from neco.data.scenes.surfaces import STUFF

COCO_SCENES = 2_000_000
COCO_NAMES = {"aeroplane": "airplane", "pottedplant": "potted plant", "tvmonitor": "tv"}
OTHER_STUFF = 183
"""COCO-Stuff's category of everything that is a thing."""

ANNOTATIONS = (coco_things.ARCHIVE, coco_stuff.ARCHIVE, coco_stuff_164k.ARCHIVE)


class _CocoFiles(NamedTuple):
    jpeg: bytes
    panoptic: bytes
    segments: list[dict[str, Any]]
    stuff: list[dict[str, Any]]
    map: bytes


def write_coco(into: Path, settings: Scenes, pool: Executor) -> list[Path]:
    """Write both photograph archives and the three archives of annotations."""
    annotations = [into / name for name in ANNOTATIONS]
    names = (SPLITS["train"], SPLITS["val"])
    written = []
    with (
        zipfile.ZipFile(annotations[0], "w") as panoptic,
        zipfile.ZipFile(annotations[1], "w") as stuff,
        zipfile.ZipFile(annotations[2], "w") as maps,
    ):
        for split in splits_of(settings, COCO_SCENES, names, settings.unlabelled):
            written.append(_write_split(into, split, settings, pool, panoptic, stuff, maps))
    return [*written, *annotations]


def coco_categories() -> dict[str, list[tuple[int, str, str]]]:
    """Return COCO's categories (id, name, supercategory): `things`, `panoptic_stuff`, `stuff`."""
    text = (Path(__file__).parent / "coco_categories.yaml").read_text()
    return {key: [tuple(row) for row in rows] for key, rows in yaml.safe_load(text).items()}


def _coco_files(number: int, settings: Scenes, labelled: int, first: int) -> _CocoFiles:
    scene = render(number, settings)
    if number - first >= labelled:
        return _CocoFiles(jpeg(scene.image), b"", [], [], b"")
    categories = coco_categories()
    id_of = {name: identity for identity, name, _ in categories["things"] + categories["stuff"]}
    segments = []
    for index, name in enumerate(scene.things, start=1):
        mask = scene.instances == index
        if mask.any():
            identity = id_of[COCO_NAMES.get(name, name)]
            segments.append({"id": index, "category_id": identity, **_extent(mask)})
    stuff = []
    behind = scene.instances == 0
    masks = {id_of[name]: behind & (scene.stuff == index) for index, name in enumerate(STUFF)}
    masks[OTHER_STUFF] = ~behind
    for identity, mask in masks.items():
        if mask.any():
            encoded = run_length.encode(np.asfortranarray(mask.astype(np.uint8)))
            counts = encoded["counts"].decode()
            segmentation = {"counts": counts, "size": list(mask.shape)}
            stuff.append({"category_id": identity, "segmentation": segmentation, **_extent(mask)})
    colours = np.zeros((*scene.instances.shape, 3), dtype=np.uint8)
    colours[..., 0] = scene.instances  # COCO: id = R + 256 G + 65536 B
    return _CocoFiles(
        jpeg(scene.image), png(colours), segments, stuff, png(_stuff_thing_map(scene, id_of))
    )


def _stuff_thing_map(scene: Scene, id_of: dict[str, int]) -> np.ndarray:
    """Return uint8 (H, W): COCO's category id minus 1 of every pixel."""
    things = [0, *(id_of[COCO_NAMES.get(name, name)] for name in scene.things)]
    behind = np.array([id_of[name] for name in STUFF], dtype=np.uint8)[scene.stuff]
    in_front = np.array(things, dtype=np.uint8)[scene.instances]
    return np.where(scene.instances > 0, in_front, behind) - 1


def _extent(mask: np.ndarray) -> dict[str, Any]:
    rows, columns = np.nonzero(mask)
    left, top = int(columns.min()), int(rows.min())
    box = [left, top, int(columns.max()) - left + 1, int(rows.max()) - top + 1]
    return {"area": int(mask.sum()), "bbox": box, "iscrowd": 0}


def _write_split(
    into: Path, split: Split, settings: Scenes, pool: Executor,
    panoptic: zipfile.ZipFile, stuff: zipfile.ZipFile, maps: zipfile.ZipFile,
) -> Path:  # fmt: skip
    """Write a split's images, add its annotations to the archives, return the images' path."""
    path = into / f"{split.name}.zip"
    masks, images = io.BytesIO(), []
    segments: list[dict[str, Any]] = []
    regions: list[dict[str, Any]] = []
    encode = partial(_coco_files, settings=settings, labelled=split.labelled, first=split.first)
    with zipfile.ZipFile(path, "w") as photographs, zipfile.ZipFile(masks, "w") as pngs:
        for number, files in each(split, pool, encode):
            name = f"{number:012d}"
            photographs.writestr(f"{split.name}/{name}.jpg", files.jpeg)
            if not files.panoptic:
                continue
            size = {"height": settings.height, "width": settings.width}
            images.append({"id": number, "file_name": f"{name}.jpg", **size})
            pngs.writestr(f"panoptic_{split.name}/{name}.png", files.panoptic)
            segments.append(
                {"image_id": number, "file_name": f"{name}.png", "segments_info": files.segments}
            )
            maps.writestr(f"{split.name}/{name}.png", files.map)
            for region in files.stuff:
                regions.append({"id": len(regions) + 1, "image_id": number, **region})
    kinds = coco_categories()
    things = _described(kinds["things"], isthing=1)
    merged_stuff = _described(kinds["panoptic_stuff"], isthing=0)
    content = {"images": images, "annotations": segments, "categories": things + merged_stuff}
    panoptic.writestr(f"annotations/panoptic_{split.name}.json", json.dumps(content))
    panoptic.writestr(f"annotations/panoptic_{split.name}.zip", masks.getvalue())
    content = {"images": images, "annotations": regions, "categories": _described(kinds["stuff"])}
    stuff.writestr(f"annotations/stuff_{split.name}.json", json.dumps(content))
    return path


def _described(rows: list[tuple[int, str, str]], **more: int) -> list[dict[str, Any]]:
    return [{"id": i, "name": name, "supercategory": above, **more} for i, name, above in rows]
