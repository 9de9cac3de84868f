"""Photographs, masks, lists, archives and prepared datasets."""

import csv
import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from tests.reliability.damage import CUT, FOREIGN, PLACES, copied
from tests.reliability.inputs import (
    EQUAL,
    LEFT_OUT,
    LINE,
    WITHOUT_DIGEST,
    Case,
    mine,
    spoiled,
)  # fmt: skip
from tests.reliability.world import CLASSES, SIDE, World, label_image, photograph

Spoiler = Callable[[Path], object]


def cases() -> Iterator[Case]:
    """Yield every case of data."""
    yield from photographs()
    yield from masks()
    yield from lists()
    yield from settings_of_folders()
    yield from archives()
    yield from prepared()


def rows(folder: Path) -> list[dict[str, str]]:
    """Return the index of a prepared dataset."""
    with (folder / "index.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def as_undamaged(world: World, folder: Path) -> bool:
    """Whether the index is that of the undamaged folder, digests of masks included."""
    return rows(folder / "out") == rows(world.data)


def as_many(count: int) -> Callable[[World, Path], bool]:
    """Whether so many images were taken."""
    return lambda world, folder: len(rows(folder / "out")) == count


def _folder(name: str, change: Spoiler, expected: str, kind: str, *more: object,
            equal: Callable[[World, Path], bool] | None = None) -> Case:  # fmt: skip
    def prepare(world: World, folder: Path) -> list[object]:
        change(mine(world, folder))
        return world.prepare(folder / "mine", folder / "out", *more)

    return Case(kind, name, prepare, expected, equal)


def _first(world: World, folder: Path) -> tuple[Path, list[object]]:
    path = mine(world, folder) / "images" / "003.jpg"
    return path, world.prepare(folder / "mine", folder / "out")


def _first_skipped(world: World, folder: Path) -> tuple[Path, list[object]]:
    path, command = _first(world, folder)
    return path, [*command, "--skip", 2]


def photographs() -> Iterator[Case]:
    """Yield broken photographs, refused or left out, and photographs of every kind."""
    broken = (*CUT, *FOREIGN, "a dangling link", "a link to itself")
    yield from spoiled("photograph", broken, _first)
    yield from spoiled("photograph left out", broken, _first_skipped, LEFT_OUT, equal=as_many(9))
    for mode, suffix in (
        ("CMYK", "jpg"), ("L", "jpg"), ("L", "png"), ("LA", "png"), ("RGBA", "png"), ("P", "png"),
        ("1", "png"), ("RGB", "webp"), ("RGB", "tiff"), ("RGB", "bmp"), ("RGB", "JPG"),
        ("RGB", "jpeg"),
    ):  # fmt: skip

        def add(folder: Path, mode: str = mode, suffix: str = suffix) -> None:
            (folder / "images" / "003.jpg").unlink()
            form = {"jpg": "JPEG", "tiff": "TIFF"}.get(suffix.lower())
            photograph(3).convert(mode).save(folder / "images" / f"003.{suffix}", form)

        yield _folder(f"{mode} as {suffix}", add, EQUAL, "kind of photograph", equal=as_many(10))
    for array, name in (
        (np.arange(SIDE * SIDE, dtype=np.uint16).reshape(SIDE, SIDE) * 20, "16 bit"),
        (np.linspace(0, 1, SIDE * SIDE, dtype=np.float32).reshape(SIDE, SIDE), "float"),
    ):

        def deep(folder: Path, array: np.ndarray = array) -> None:
            (folder / "images" / "003.jpg").unlink()
            Image.fromarray(array).save(folder / "images" / "003.tif")

        yield _folder(name, deep, EQUAL, "kind of photograph", equal=as_many(10))

    def another_size(folder: Path) -> None:
        photograph(3, (SIDE, SIDE // 2)).save(folder / "images" / "003.jpg")

    def tiny(folder: Path) -> None:
        photograph(3, (1, 1)).save(folder / "images" / "003.jpg")
        Image.new("L", (1, 1)).save(folder / "masks" / "003.png")

    yield _folder("another size than its mask", another_size, LINE, "photograph")
    yield _folder("one pixel", tiny, LINE, "photograph")
    for name, companion in (
        ("macOS", "._003.jpg"),
        ("hidden", ".003.jpg"),
        ("thumbs", "Thumbs.db"),
    ):

        def beside(folder: Path, companion: str = companion) -> None:
            (folder / "images" / companion).write_bytes(b"\0\5\x16\7" + bytes(90))

        yield _folder(f"{name} companion", beside, EQUAL, "photograph", equal=as_undamaged)
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

        yield _folder(f"called {odd}", renamed, EQUAL, "name", equal=as_many(10))


def _mask(world: World, folder: Path) -> tuple[Path, list[object]]:
    path = mine(world, folder) / "masks" / "003.png"
    return path, world.prepare(folder / "mine", folder / "out")


def _mask_skipped(world: World, folder: Path) -> tuple[Path, list[object]]:
    path, command = _mask(world, folder)
    return path, [*command, "--skip", 2]


def _every_mask(write: Callable[[np.ndarray, Path], object]) -> Spoiler:
    def change(folder: Path) -> None:
        for path in (folder / "masks").iterdir():
            write(label_image(int(path.stem)), path)

    return change


def masks() -> Iterator[Case]:
    """Yield broken masks and masks of every kind."""
    broken = (*CUT, *FOREIGN)
    yield from spoiled("mask", broken, _mask)
    yield from spoiled("mask left out", broken, _mask_skipped, LEFT_OUT, equal=as_many(9))

    def palette(labels: np.ndarray, path: Path) -> None:
        image = Image.fromarray(labels)
        image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0] + [9] * 759)
        image.save(path)

    def same(write: Callable[[np.ndarray, Path], object], name: str) -> Case:
        return _folder(name, _every_mask(write), EQUAL, "kind of mask", equal=as_undamaged)

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
        yield _folder(name, _every_mask(write), LINE, "kind of mask")

    def white(folder: Path) -> None:
        (folder / "classes.txt").write_text("background\nobject\n")
        _every_mask(lambda a, p: Image.fromarray(((a > 0) * 255).astype(np.uint8)).save(p))(folder)

    def both(world: World, folder: Path) -> bool:
        seen = set()
        for path in (folder / "out" / "masks").rglob("*.png"):
            seen |= set(np.unique(np.asarray(Image.open(path))).tolist())
        return seen == {0, 1}

    yield _folder("0 and 255", white, EQUAL, "kind of mask", equal=both)


def lists() -> Iterator[Case]:
    """Yield class lists and split lists."""
    names = "".join(f"{name}\n" for name in CLASSES)

    def classes(data: bytes) -> Spoiler:
        return lambda folder: (folder / "classes.txt").write_bytes(data)

    for name, data in (
        ("with a BOM", b"\xef\xbb\xbf" + names.encode()),
        ("with CRLF", names.replace("\n", "\r\n").encode()),
        ("without a last newline", names.strip().encode()),
        ("with blank lines at the end", (names + "\n\n").encode()),
        ("UTF-16", names.encode("utf-16")),
        ("Latin-1", "background\nBär\nHund\n".encode("latin-1")),
    ):
        yield _folder(name, classes(data), EQUAL, "class list", equal=as_undamaged)
    for name, data in (
        ("too short", b"background\n"),
        ("empty", b""),
        ("zeros", bytes(40)),
    ):
        yield _folder(name, classes(data), LINE, "class list")
    ids = [f"{i:03d}" for i in range(10)]

    def split(train: bytes, val: bytes) -> Spoiler:
        def change(folder: Path) -> None:
            (folder / "train.txt").write_bytes(train)
            (folder / "val.txt").write_bytes(val)

        return change

    train, val = "\n".join(ids[:8]).encode(), "\n".join(ids[8:]).encode()
    for name, first in (
        ("plain", train),
        ("with suffixes", "\n".join(f"{i}.jpg" for i in ids[:8]).encode()),
        ("with a BOM and CRLF", b"\xef\xbb\xbf" + "\r\n".join(ids[:8]).encode()),
        ("UTF-16", "\n".join(ids[:8]).encode("utf-16")),
    ):
        yield _folder(name, split(first, val), EQUAL, "split list", equal=as_many(10))
    for name, first in (
        ("with an image that is not there", train + b"\n999"),
        ("that leads out of the folder", train + b"\n../../mine/images/000"),
        ("empty", b""),
        ("binary", bytes(range(256))),
    ):
        yield _folder(name, split(first, val), LINE, "split list")


def settings_of_folders() -> Iterator[Case]:
    """Yield dataset.yaml that is none."""
    for name, text in {
        "no YAML": "images: [",
        "a list": "- a\n- b\n",
        "a word": "hello\n",
        "an unknown key": "imges: images/{id}.jpg\n",
        "a wrong type": "hold_out: many\n",
        "too small": "hold_out: 1\n",
        "a pattern without id": "images: images/000.jpg\n",
        "a pattern that finds nothing": "images: photos/{id}.jpg\n",
        "a pattern that leads out": "images: ../{id}.jpg\n",
        "classes that YAML reads as no": "classes: [no, yes, maybe]\n",
        "one class": "classes: [only]\n",
        "both labels": "masks: masks/{id}.png\nannotations: a.json\n",
        "annotations that are not there": "annotations: annotations/{split}.json\n",
        "a bad split": "splits: {My Split: {}}\n",
        "a list that is not there": "splits: {train: {list: nowhere.txt}, val: {list: val.txt}}\n",
        "a detector's": "path: .\ntrain: images\nval: images\nnc: 2\nnames: [cat, dog]\n",
        "a negative skip": "skip: -1\n",
    }.items():
        yield _folder(
            name, lambda f, text=text: (f / "dataset.yaml").write_text(text), LINE, "dataset.yaml"
        )
    yield _folder(
        "a detector's data.yaml",
        lambda f: (f / "data.yaml").write_text("train: images\nval: images\nnames: [a, b, c]\n"),
        EQUAL, "dataset.yaml", equal=as_undamaged,
    )  # fmt: skip
    for name, data, expected in (
        ("UTF-16", "skip: 1\n".encode("utf-16"), EQUAL),
        ("binary", bytes(range(256)), LINE),
    ):
        yield _folder(
            name, lambda f, data=data: (f / "dataset.yaml").write_bytes(data), expected,
            "dataset.yaml",
        )  # fmt: skip


def _ade20k(path: Path, names: dict[str, bytes] | None = None) -> Path:
    """Write ADE20K's archive with one image a split, or with other members."""
    image, mask = io.BytesIO(), io.BytesIO()
    photograph(0).save(image, "JPEG")
    Image.fromarray(label_image(0)).save(mask, "PNG")
    top = "ADEChallengeData2016"
    if names is None:
        names = {f"{top}/objectInfo150.txt": _classes_of_ade()}
        for split, stem in (("training", "ADE_train_00000001"), ("validation", "ADE_val_00000001")):
            names[f"{top}/images/{split}/{stem}.jpg"] = image.getvalue()
            names[f"{top}/annotations/{split}/{stem}.png"] = mask.getvalue()
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in names.items():
            archive.writestr(name, data)
    return path


def _classes_of_ade() -> bytes:
    lines = ["Idx\tRatio\tTrain\tVal\tName"]
    lines += [f"{i}\t0.1\t1\t1\tclass {i}" for i in range(1, 151)]
    return "\n".join(lines).encode()


def _archive(world: World, folder: Path) -> tuple[Path, list[object]]:
    path = _ade20k(folder / "archives" / "ADEChallengeData2016.zip")
    command = ["prepare", "ade20k", "--archives", folder / "archives", "--into", folder / "out",
               "--processes", 1]  # fmt: skip
    return path, command


def _fetched(world: World, folder: Path) -> tuple[Path, list[object]]:
    path = _ade20k(folder / "mirror" / "ADEChallengeData2016.zip")
    command = ["fetch", path.name, "--into", folder / "archives", "--mirror", path.parent]
    return path, command


def archives() -> Iterator[Case]:
    """Yield archives that are damaged, foreign or malicious."""

    def whole(world: World, folder: Path) -> list[object]:
        return _archive(world, folder)[1]

    yield Case("archive", "whole", whole, EQUAL, as_many(2))
    yield from spoiled("archive", (*CUT, *FOREIGN, *PLACES), _archive)
    not_its_kind = ("empty", "one byte", "a web page", "an LFS pointer", "zeros", "noise",
                    "a JSON list", "UTF-16 text", "missing", "a dangling link")  # fmt: skip
    yield from spoiled("mirror", not_its_kind, _fetched)
    image, mask = io.BytesIO(), io.BytesIO()
    photograph(0).save(image, "JPEG")
    Image.fromarray(label_image(0)).save(mask, "PNG")
    top = "ADEChallengeData2016"
    for out in ("../../escaped", "/tmp/escaped", "..\\escaped", "a/../../../escaped"):

        def escaping(world: World, folder: Path, out: str = out) -> list[object]:
            path, command = _archive(world, folder)
            _ade20k(path, {
                f"{top}/objectInfo150.txt": _classes_of_ade(),
                f"{top}/images/training/{out}.jpg": image.getvalue(),
                f"{top}/annotations/training/{out}.png": mask.getvalue(),
            })  # fmt: skip
            return command

        yield Case("archive", f"with a member {out}", escaping, LINE)
    for name in ("../x.zip", "", ".", "a/b.zip", "/etc/passwd"):

        def odd(world: World, folder: Path, name: str = name) -> list[object]:
            return ["fetch", name, "--into", folder / "archives", "--mirror", folder]

        yield Case("mirror", f"asked for {name!r}", odd, LINE)
    yield Case("archive", "a tar of links", _tar_of_links, LINE)


def _tar_of_links(world: World, folder: Path) -> list[object]:
    path = folder / "archives" / "VOCtrainval_11-May-2012.tar"
    path.parent.mkdir(parents=True)
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("VOCdevkit/VOC2012/ImageSets/Segmentation/train.txt")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(member)
    return ["prepare", "pascal-voc", "--archives", folder / "archives", "--into", folder / "out",
            "--processes", 1]  # fmt: skip


def _copy(world: World, folder: Path) -> Path:
    copied(world.folder, folder / "mine")
    data = copied(world.data, folder / "data")
    (data / "images").unlink()
    (data / "images").symlink_to(folder / "mine" / "images", target_is_directory=True)
    return data


def prepared() -> Iterator[Case]:
    """Yield prepared datasets that were damaged, plain and packed, where features are extracted."""
    for name, damages in (
        ("index.csv", WITHOUT_DIGEST),
        ("classes.json", WITHOUT_DIGEST),
    ):

        def make(world: World, folder: Path, name: str = name) -> tuple[Path, list[object]]:
            data = _copy(world, folder)
            return data / name, world.extract(folder / "out", data=data)

        yield from spoiled(f"prepared {name}", damages, make)

    def image(world: World, folder: Path) -> tuple[Path, list[object]]:
        data = _copy(world, folder)
        return folder / "mine" / "images" / "004.jpg", world.extract(folder / "out", data=data)

    yield from spoiled("prepared image", WITHOUT_DIGEST, image)

    def mask(world: World, folder: Path) -> tuple[Path, list[object]]:
        data = _copy(world, folder)
        command = world.evaluate(folder / "out.json", data=data)
        return data / "masks" / "val" / "004.png", command

    yield from spoiled("prepared mask", WITHOUT_DIGEST, mask)

    def changed(world: World, folder: Path) -> list[object]:
        data = _copy(world, folder)
        text = json.loads((data / "classes.json").read_text())
        text["classes"] = ["background", "dog", "cat"]
        (data / "classes.json").write_text(json.dumps(text))
        return world.evaluate(folder / "out.json", data=data)

    yield Case("prepared classes.json", "other classes than the features'", changed, LINE)
