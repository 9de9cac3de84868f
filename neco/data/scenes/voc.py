"""Generated scenes as VOC 2012 with SBD, and as Pascal Context on VOC 2010."""

import tarfile
from concurrent.futures import Executor
from functools import partial
from pathlib import Path

import numpy as np
import scipy

from neco.config.datasets import Scenes
from neco.data.classes import class_names, voc_colours
from neco.data.pascal_context import ANNOTATIONS, FREQUENT, PHOTOGRAPHS
from neco.data.pascal_context import ROOT as CONTEXT_ROOT
from neco.data.pascal_voc import ROOT, SBD, TRAINVAL
from neco.data.scenes.encode import Split, add, each, jpeg, lines, matlab, png, render, splits_of
from neco.data.scenes.scene import THING_NAMES, Scene
from neco.data.scenes.surfaces import STUFF

VOC_SCENES, CONTEXT_SCENES = 1_000_000, 4_000_000
SBD_SCENES = VOC_SCENES + 700_000
VOC_IDS = {
    "aeroplane": 1, "bird": 3, "boat": 4, "bottle": 5, "bus": 6, "car": 7, "cat": 8,
    "chair": 9, "horse": 13, "person": 15, "pottedplant": 16, "tvmonitor": 20,
}  # fmt: skip
CONTEXT_STUFF = {
    "building-other": "building", "floor-wood": "floor", "grass": "grass", "road": "road",
    "sand": "ground", "sea": "water", "sky-other": "sky", "wall-brick": "wall",
    "wall-other": "wall",
}  # fmt: skip


def write_voc(into: Path, settings: Scenes, pool: Executor, with_sbd: bool) -> list[Path]:
    """Write VOC 2012 and, if asked, SBD's masks of as many further training images."""
    splits = splits_of(settings, VOC_SCENES, ("train", "val"))
    encode = partial(_voc_files, settings=settings)
    with tarfile.open(into / TRAINVAL, "w") as archive:
        listed: list[str] = []
        for split in splits:
            names = []
            for number, (photograph, mask) in each(split, pool, encode):
                names.append(_name(number, 2012))
                add(archive, f"{ROOT}/JPEGImages/{names[-1]}.jpg", photograph)
                add(archive, f"{ROOT}/SegmentationClass/{names[-1]}.png", mask)
            add(archive, f"{ROOT}/ImageSets/Segmentation/{split.name}.txt", lines(names))
            listed += names
        add(archive, f"{ROOT}/ImageSets/Segmentation/trainval.txt", lines(sorted(listed)))
        if not with_sbd:
            return [into / TRAINVAL]
        return [into / TRAINVAL, _write_sbd(into / SBD, archive, settings, pool)]


def _write_sbd(path: Path, voc: tarfile.TarFile, settings: Scenes, pool: Executor) -> Path:
    """Add SBD's photographs to VOC's archive and write its masks into one of its own."""
    further = Split("train", SBD_SCENES, settings.train, settings.train)
    names = []
    with tarfile.open(path, "w:gz") as archive:
        encode = partial(_sbd_files, settings=settings)
        for number, (photograph, matrix) in each(further, pool, encode):
            names.append(_name(number, 2012))
            add(voc, f"{ROOT}/JPEGImages/{names[-1]}.jpg", photograph)
            add(archive, f"benchmark_RELEASE/dataset/cls/{names[-1]}.mat", matrix)
        add(archive, "benchmark_RELEASE/dataset/train.txt", lines(names))
        add(archive, "benchmark_RELEASE/dataset/val.txt", b"")
    return path


def write_context(into: Path, settings: Scenes, pool: Executor) -> list[Path]:
    """Write VOC 2010's photographs and lists, and the label maps of Pascal Context."""
    splits = splits_of(settings, CONTEXT_SCENES, ("train", "val"))
    encode = partial(_context_files, settings=settings)
    paths = [into / PHOTOGRAPHS, into / ANNOTATIONS]
    with tarfile.open(paths[0], "w") as photographs, tarfile.open(paths[1], "w:gz") as labels:
        for split in splits:
            names = []
            for number, (photograph, matrix) in each(split, pool, encode):
                names.append(_name(number, 2010))
                add(photographs, f"{CONTEXT_ROOT}/JPEGImages/{names[-1]}.jpg", photograph)
                add(labels, f"trainval/{names[-1]}.mat", matrix)
            add(photographs, f"{CONTEXT_ROOT}/ImageSets/Main/{split.name}.txt", lines(names))
    return paths


def _name(number: int, year: int) -> str:
    return f"{year}_{number % 1_000_000:06d}"


def _voc_labels(scene: Scene) -> np.ndarray:
    ids = np.array([0, *(VOC_IDS[name] for name in THING_NAMES)], dtype=np.uint8)
    return ids[scene.thing_classes()]


def _voc_files(number: int, settings: Scenes) -> tuple[bytes, bytes]:
    scene = render(number, settings)
    labels = _voc_labels(scene)
    thickest = scipy.ndimage.grey_dilation(scene.instances, size=3)
    thinnest = scipy.ndimage.grey_erosion(scene.instances, size=3)
    labels[thickest != thinnest] = 255  # VOC leaves the rim of every object undecided
    return jpeg(scene.image), png(labels, voc_colours().tobytes())


def _sbd_files(number: int, settings: Scenes) -> tuple[bytes, bytes]:
    scene = render(number, settings)
    return jpeg(scene.image), matlab(GTcls={"Segmentation": _voc_labels(scene)})


def _context_files(number: int, settings: Scenes) -> tuple[bytes, bytes]:
    scene = render(number, settings)
    ids = dict(zip(class_names("pascal-context")[1:], FREQUENT, strict=True))
    things = np.array([0, *(ids[name] for name in THING_NAMES)], dtype=np.uint16)
    behind = np.array([ids[CONTEXT_STUFF[name]] for name in STUFF], dtype=np.uint16)
    labels = things[scene.thing_classes()]
    return jpeg(scene.image), matlab(LabelMap=np.where(labels > 0, labels, behind[scene.stuff]))
