"""Write generated scenes as official archives, so that the same preparation reads them.

VOC 2012, COCO 2017 (images, panoptic and stuff annotations) and ADE20K, each with the inner
layout, file formats and ids of the original.
"""

import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml
from PIL import Image
from pycocotools import mask as run_length
from scipy import ndimage

from neco.config.project import Scenes
from neco.data.scenes.scene import THING_NAMES, Scene, render_scene
from neco.data.scenes.surfaces import STUFF

VOC_IDS = {
    "aeroplane": 1, "bird": 3, "boat": 4, "bottle": 5, "bus": 6, "car": 7, "cat": 8,
    "chair": 9, "horse": 13, "person": 15, "pottedplant": 16, "tvmonitor": 20,
}  # fmt: skip
COCO_NAMES = {"aeroplane": "airplane", "pottedplant": "potted plant", "tvmonitor": "tv"}
ADE_IDS = {
    "aeroplane": 91, "bird": 127, "boat": 77, "bottle": 99, "bus": 81, "car": 21, "cat": 127,
    "chair": 20, "horse": 127, "person": 13, "pottedplant": 126, "tvmonitor": 144,
    "building-other": 2, "floor-wood": 4, "grass": 10, "road": 7, "sand": 47, "sea": 27,
    "sky-other": 3, "wall-brick": 1, "wall-other": 1,
}  # fmt: skip
OTHER_STUFF = 183
"""COCO-Stuff's category of everything that is a thing."""


class _Split(NamedTuple):
    """Which scenes a split of an archive holds; `labelled` of them carry annotations."""

    name: str
    first: int
    scenes: int
    labelled: int


def write_archives(into: Path, settings: Scenes, processes: int | None = None) -> list[Path]:
    """Write all archives into a folder and return their paths.

    Every archive has scenes of its own; the same settings give the same pixels and labels.
    """
    into.mkdir(parents=True, exist_ok=True)
    voc = _splits(settings, 1_000_000, ("train", "val"), 0)
    coco = _splits(settings, 2_000_000, ("train2017", "val2017"), settings.unlabelled)
    ade = _splits(settings, 3_000_000, ("training", "validation"), 0)
    with ProcessPoolExecutor(processes) as pool:
        return [
            _write_voc(into / "VOCtrainval_11-May-2012.tar", voc, settings, pool),
            *_write_coco(into, coco, settings, pool),
            _write_ade(into / "ADEChallengeData2016.zip", ade, settings, pool),
        ]


def _splits(
    settings: Scenes, first: int, names: tuple[str, str], unlabelled: int
) -> tuple[_Split, _Split]:
    train = _Split(names[0], first, settings.train + unlabelled, settings.train)
    return train, _Split(names[1], first + 500_000, settings.val, settings.val)


def _each(
    split: _Split, settings: Scenes, pool: ProcessPoolExecutor, encode: Callable[[int], Any]
) -> Iterator[tuple[int, Any]]:
    """Yield (scene number, what `encode` made of it) in order."""
    numbers = range(split.first, split.first + split.scenes)
    return zip(numbers, pool.map(encode, numbers, chunksize=16), strict=True)


def _render(number: int, settings: Scenes) -> Scene:
    return render_scene(settings.seed, number, settings.height, settings.width)


def _jpeg(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def _png(labels: np.ndarray, palette: bytes | None = None) -> bytes:
    image = Image.fromarray(labels)
    if palette is not None:
        image.putpalette(palette)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _voc_files(number: int, settings: Scenes) -> tuple[bytes, bytes]:
    scene = _render(number, settings)
    ids = np.array([0, *(VOC_IDS[name] for name in THING_NAMES)], dtype=np.uint8)
    labels = ids[scene.thing_classes()]
    thickest = ndimage.grey_dilation(scene.instances, size=3)
    thinnest = ndimage.grey_erosion(scene.instances, size=3)
    labels[thickest != thinnest] = 255  # VOC leaves the rim of every object undecided
    return _jpeg(scene.image), _png(labels, voc_palette())


def voc_palette() -> bytes:
    """Return VOC's palette, 256 x RGB: the bits of an id, dealt to red, green, blue in turn."""
    ids = np.arange(256)
    colours = np.zeros((256, 3), dtype=np.uint8)
    for bit in range(8):
        colours[:, bit % 3] |= (((ids >> bit) & 1) << (7 - bit // 3)).astype(np.uint8)
    return colours.tobytes()


def _write_voc(
    path: Path, splits: tuple[_Split, ...], settings: Scenes, pool: ProcessPoolExecutor
) -> Path:
    root = "VOCdevkit/VOC2012"
    with tarfile.open(path, "w") as archive:
        listed: list[str] = []
        for split in splits:
            names = []
            for number, (jpeg, png) in _each(
                split, settings, pool, partial(_voc_files, settings=settings)
            ):
                name = f"2012_{number % 1_000_000:06d}"
                names.append(name)
                _add(archive, f"{root}/JPEGImages/{name}.jpg", jpeg)
                _add(archive, f"{root}/SegmentationClass/{name}.png", png)
            _add(archive, f"{root}/ImageSets/Segmentation/{split.name}.txt", _lines(names))
            listed += names
        _add(archive, f"{root}/ImageSets/Segmentation/trainval.txt", _lines(sorted(listed)))
    return path


def _lines(names: list[str]) -> bytes:
    return ("\n".join(names) + "\n").encode()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


class _CocoFiles(NamedTuple):
    jpeg: bytes
    panoptic: bytes
    segments: list[dict[str, Any]]
    stuff: list[dict[str, Any]]


def coco_categories() -> dict[str, list[tuple[int, str, str]]]:
    """Return COCO's categories (id, name, supercategory): `things`, `panoptic_stuff`, `stuff`."""
    text = (Path(__file__).parent / "coco_categories.yaml").read_text()
    return {key: [tuple(row) for row in rows] for key, rows in yaml.safe_load(text).items()}


def _coco_files(number: int, settings: Scenes, labelled: int, first: int) -> _CocoFiles:
    scene = _render(number, settings)
    if number - first >= labelled:
        return _CocoFiles(_jpeg(scene.image), b"", [], [])
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
    return _CocoFiles(_jpeg(scene.image), _png(colours), segments, stuff)


def _extent(mask: np.ndarray) -> dict[str, Any]:
    rows, columns = np.nonzero(mask)
    left, top = int(columns.min()), int(rows.min())
    box = [left, top, int(columns.max()) - left + 1, int(rows.max()) - top + 1]
    return {"area": int(mask.sum()), "bbox": box, "iscrowd": 0}


def _write_coco(
    into: Path, splits: tuple[_Split, ...], settings: Scenes, pool: ProcessPoolExecutor
) -> list[Path]:
    panoptic_path = into / "panoptic_annotations_trainval2017.zip"
    stuff_path = into / "stuff_annotations_trainval2017.zip"
    written = []
    with zipfile.ZipFile(panoptic_path, "w") as panoptic, zipfile.ZipFile(stuff_path, "w") as stuff:
        for split in splits:
            written.append(_write_coco_split(into, split, settings, pool, panoptic, stuff))
    return [*written, panoptic_path, stuff_path]


def _write_coco_split(
    into: Path, split: _Split, settings: Scenes, pool: ProcessPoolExecutor,
    panoptic: zipfile.ZipFile, stuff: zipfile.ZipFile,
) -> Path:  # fmt: skip
    """Write a split's images, add its annotations to both archives, return the images' path."""
    path = into / f"{split.name}.zip"
    masks, images = io.BytesIO(), []
    segments: list[dict[str, Any]] = []
    regions: list[dict[str, Any]] = []
    encode = partial(_coco_files, settings=settings, labelled=split.labelled, first=split.first)
    with zipfile.ZipFile(path, "w") as photographs, zipfile.ZipFile(masks, "w") as pngs:
        for number, files in _each(split, settings, pool, encode):
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


def _ade_files(number: int, settings: Scenes) -> tuple[bytes, bytes]:
    scene = _render(number, settings)
    stuff = np.array([ADE_IDS[name] for name in STUFF], dtype=np.uint8)[scene.stuff]
    things = np.array([0, *(ADE_IDS[name] for name in THING_NAMES)], dtype=np.uint8)
    labels = things[scene.thing_classes()]
    return _jpeg(scene.image), _png(np.where(labels > 0, labels, stuff))


def _write_ade(
    path: Path, splits: tuple[_Split, ...], settings: Scenes, pool: ProcessPoolExecutor
) -> Path:
    root = "ADEChallengeData2016"
    with zipfile.ZipFile(path, "w") as archive:
        for split in splits:
            short = "train" if split.name == "training" else "val"
            for number, (jpeg, png) in _each(
                split, settings, pool, partial(_ade_files, settings=settings)
            ):
                name = f"ADE_{short}_{number % 1_000_000:08d}"
                archive.writestr(f"{root}/images/{split.name}/{name}.jpg", jpeg)
                archive.writestr(f"{root}/annotations/{split.name}/{name}.png", png)
    return path
