"""Photographs and masks of a user's folder."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from tests.reliability.damage import CUT, FOREIGN
from tests.reliability.folder_inputs import Spoiler, as_many, as_undamaged, of_folder
from tests.reliability.inputs import EQUAL, LEFT_OUT, LINE, Case, mine, spoiled
from tests.reliability.world import SIDE, World, label_image, photograph

IMAGE, MASK = "images/003.jpg", "masks/003.png"


def cases() -> Iterator[Case]:
    """Yield every case of photographs and masks."""
    yield from photographs()
    yield from masks()


def _file(place: str, *options: object) -> Callable[[World, Path], tuple[Path, list[object]]]:
    """Return what makes a folder, and returns its file at `place` and the command to prepare it."""

    def make(world: World, folder: Path) -> tuple[Path, list[object]]:
        path = mine(world, folder) / place
        return path, [*world.prepare(folder / "mine", folder / "out"), *options]

    return make


def _skipped(place: str) -> Callable[[World, Path], tuple[Path, list[object]]]:
    return _file(place, "--skip", 2)


def photographs() -> Iterator[Case]:
    """Yield broken photographs, refused or left out, and photographs of every kind."""
    broken = (*CUT, *FOREIGN, "a dangling link", "a link to itself")
    yield from spoiled("photograph", broken, _file(IMAGE))
    yield from spoiled("photograph left out", broken, _skipped(IMAGE), LEFT_OUT, equal=as_many(9))
    for mode, suffix in (
        ("CMYK", "jpg"), ("L", "jpg"), ("L", "png"), ("LA", "png"), ("RGBA", "png"), ("P", "png"),
        ("1", "png"), ("RGB", "webp"), ("RGB", "tiff"), ("RGB", "bmp"), ("RGB", "JPG"),
        ("RGB", "jpeg"),
    ):  # fmt: skip

        def add(folder: Path, mode: str = mode, suffix: str = suffix) -> None:
            (folder / "images" / "003.jpg").unlink()
            form = {"jpg": "JPEG", "tiff": "TIFF"}.get(suffix.lower())
            photograph(3).convert(mode).save(folder / "images" / f"003.{suffix}", form)

        yield of_folder(f"{mode} as {suffix}", add, EQUAL, "kind of photograph", equal=as_many(10))
    for array, name in (
        (np.arange(SIDE * SIDE, dtype=np.uint16).reshape(SIDE, SIDE) * 20, "16 bit"),
        (np.linspace(0, 1, SIDE * SIDE, dtype=np.float32).reshape(SIDE, SIDE), "float"),
    ):

        def deep(folder: Path, array: np.ndarray = array) -> None:
            (folder / "images" / "003.jpg").unlink()
            Image.fromarray(array).save(folder / "images" / "003.tif")

        yield of_folder(name, deep, EQUAL, "kind of photograph", equal=as_many(10))

    def another_size(folder: Path) -> None:
        photograph(3, (SIDE, SIDE // 2)).save(folder / "images" / "003.jpg")

    def tiny(folder: Path) -> None:
        photograph(3, (1, 1)).save(folder / "images" / "003.jpg")
        Image.new("L", (1, 1)).save(folder / "masks" / "003.png")

    yield of_folder("another size than its mask", another_size, LINE, "photograph")
    yield of_folder("one pixel", tiny, LINE, "photograph")
    for name, companion in (
        ("macOS", "._003.jpg"),
        ("hidden", ".003.jpg"),
        ("thumbs", "Thumbs.db"),
    ):

        def beside(folder: Path, companion: str = companion) -> None:
            (folder / "images" / companion).write_bytes(b"\0\5\x16\7" + bytes(90))

        yield of_folder(f"{name} companion", beside, EQUAL, "photograph", equal=as_undamaged)
    for odd in (
        "Grüße 1",
        "日本",
        "a,b",
        'q"uote',
        "#hash%20",
        "semi;colon & (x)",
        "-dash",
        "a.b.c",
    ):

        def renamed(folder: Path, odd: str = odd) -> None:
            for place, suffix in (("images", "jpg"), ("masks", "png")):
                (folder / place / f"003.{suffix}").rename(folder / place / f"{odd}.{suffix}")

        yield of_folder(f"called {odd}", renamed, EQUAL, "name", equal=as_many(10))


def _every_mask(write: Callable[[np.ndarray, Path], object]) -> Spoiler:
    def change(folder: Path) -> None:
        for path in (folder / "masks").iterdir():
            write(label_image(int(path.stem)), path)

    return change


def masks() -> Iterator[Case]:
    """Yield broken masks and masks of every kind."""
    broken = (*CUT, *FOREIGN)
    yield from spoiled("mask", broken, _file(MASK))
    yield from spoiled("mask left out", broken, _skipped(MASK), LEFT_OUT, equal=as_many(9))

    def palette(labels: np.ndarray, path: Path) -> None:
        image = Image.fromarray(labels)
        image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0] + [9] * 759)
        image.save(path)

    def same(write: Callable[[np.ndarray, Path], object], name: str) -> Case:
        return of_folder(name, _every_mask(write), EQUAL, "kind of mask", equal=as_undamaged)

    yield same(palette, "palette")
    yield same(lambda a, p: Image.fromarray(a.astype(np.uint16)).save(p), "16 bit")
    yield same(lambda a, p: (Image.fromarray(a).save(p), p.rename(p.with_suffix(".PNG"))), "PNG")
    for name, write in (
        ("all void", lambda a, p: Image.fromarray(np.full_like(a, 255)).save(p)),
        ("from one", lambda a, p: Image.fromarray(a + 1).save(p)),
        ("an impossible id", lambda a, p: Image.fromarray(np.where(a == 2, 77, a)).save(p)),
        ("colours", lambda a, p: Image.fromarray(np.stack([a, a * 9, a * 5], -1)).save(p)),
        ("another size", lambda a, p: Image.fromarray(a[:-2]).save(p)),
        ("turned", lambda a, p: Image.fromarray(a[:, : SIDE // 2].T.copy()).save(p)),
    ):
        yield of_folder(name, _every_mask(write), LINE, "kind of mask")

    def white(folder: Path) -> None:
        (folder / "classes.txt").write_text("background\nobject\n")
        _every_mask(lambda a, p: Image.fromarray(((a > 0) * 255).astype(np.uint8)).save(p))(folder)

    def both(world: World, folder: Path) -> bool:
        seen = set()
        for path in (folder / "out" / "masks").rglob("*.png"):
            seen |= set(np.unique(np.asarray(Image.open(path))).tolist())
        return seen == {0, 1}

    yield of_folder("0 and 255", white, EQUAL, "kind of mask", equal=both)
