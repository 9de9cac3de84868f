"""Lists and settings of a user's folder, and what a case of such a folder is."""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.reliability.inputs import EQUAL, LINE, Case, mine
from tests.reliability.world import CLASSES, World

Spoiler = Callable[[Path], object]


def cases() -> Iterator[Case]:
    """Yield every case of lists and settings."""
    yield from lists()
    yield from settings_of_folders()


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


def of_folder(
    name: str,
    change: Spoiler,
    expected: str,
    kind: str,
    *more: object,
    equal: Callable[[World, Path], bool] | None = None,
) -> Case:
    """Return the case of a user's folder that was changed and is prepared."""

    def prepare(world: World, folder: Path) -> list[object]:
        change(mine(world, folder))
        return world.prepare(folder / "mine", folder / "out", *more)

    return Case(kind, name, prepare, expected, equal)


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
        yield of_folder(name, classes(data), EQUAL, "class list", equal=as_undamaged)
    for name, data in (
        ("too short", b"background\n"),
        ("empty", b""),
        ("zeros", bytes(40)),
    ):
        yield of_folder(name, classes(data), LINE, "class list")
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
        yield of_folder(name, split(first, val), EQUAL, "split list", equal=as_many(10))
    for name, first in (
        ("with an image that is not there", train + b"\n999"),
        ("that leads out of the folder", train + b"\n../../mine/images/000"),
        ("empty", b""),
        ("binary", bytes(range(256))),
    ):
        yield of_folder(name, split(first, val), LINE, "split list")


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
        yield of_folder(
            name, lambda f, text=text: (f / "dataset.yaml").write_text(text), LINE, "dataset.yaml"
        )
    yield of_folder(
        "a detector's data.yaml",
        lambda f: (f / "data.yaml").write_text("train: images\nval: images\nnames: [a, b, c]\n"),
        EQUAL, "dataset.yaml", equal=as_undamaged,
    )  # fmt: skip
    for name, data, expected in (
        ("UTF-16", "skip: 1\n".encode("utf-16"), EQUAL),
        ("binary", bytes(range(256)), LINE),
    ):
        yield of_folder(
            name, lambda f, data=data: (f / "dataset.yaml").write_bytes(data), expected,
            "dataset.yaml",
        )  # fmt: skip
