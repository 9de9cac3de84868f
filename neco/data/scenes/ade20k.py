"""Generated scenes as ADE20K, and portraits of one thing as class folders (ImageNet-100)."""

import zipfile
from concurrent.futures import Executor
from functools import partial
from pathlib import Path

import numpy as np

from neco.config.datasets import Scenes
from neco.data.ade20k import ARCHIVE
from neco.data.imagenet_100 import NAME
from neco.data.scenes.encode import each, jpeg, png, render, splits_of
from neco.data.scenes.scene import THING_NAMES, render_portrait
from neco.data.scenes.surfaces import STUFF

ADE_SCENES, PORTRAITS = 3_000_000, 5_000_000
ADE_IDS = {
    "aeroplane": 91, "bird": 127, "boat": 77, "bottle": 99, "bus": 81, "car": 21, "cat": 127,
    "chair": 20, "horse": 127, "person": 13, "pottedplant": 126, "tvmonitor": 144,
    "building-other": 2, "floor-wood": 4, "grass": 10, "road": 7, "sand": 47, "sea": 27,
    "sky-other": 3, "wall-brick": 1, "wall-other": 1,
}  # fmt: skip
TOP = Path(ARCHIVE).stem
"""The folder that everything in the archive lies in."""


def write_ade20k(into: Path, settings: Scenes, pool: Executor) -> list[Path]:
    """Write ADE20K's archive."""
    path = into / ARCHIVE
    encode = partial(_ade_files, settings=settings)
    with zipfile.ZipFile(path, "w") as archive:
        for split in splits_of(settings, ADE_SCENES, ("training", "validation")):
            short = "train" if split.name == "training" else "val"
            for number, (photograph, mask) in each(split, pool, encode):
                name = f"ADE_{short}_{number % 1_000_000:08d}"
                archive.writestr(f"{TOP}/images/{split.name}/{name}.jpg", photograph)
                archive.writestr(f"{TOP}/annotations/{split.name}/{name}.png", mask)
    return [path]


def write_imagenet_100(into: Path, settings: Scenes, pool: Executor) -> list[Path]:
    """Write a folder of class folders of unlabelled photographs."""
    train, _ = splits_of(settings, PORTRAITS, ("train", "val"))
    for number, (name, photograph) in each(train, pool, partial(_portrait, settings=settings)):
        folder = into / NAME / "train" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}_{number}.JPEG").write_bytes(photograph)
    return [into / NAME]


def _portrait(number: int, settings: Scenes) -> tuple[str, bytes]:
    scene = render_portrait(settings.seed, number, min(settings.height, settings.width))
    return scene.things[0], jpeg(scene.image)


def _ade_files(number: int, settings: Scenes) -> tuple[bytes, bytes]:
    scene = render(number, settings)
    stuff = np.array([ADE_IDS[name] for name in STUFF], dtype=np.uint8)[scene.stuff]
    things = np.array([0, *(ADE_IDS[name] for name in THING_NAMES)], dtype=np.uint8)
    labels = things[scene.thing_classes()]
    return jpeg(scene.image), png(np.where(labels > 0, labels, stuff))
