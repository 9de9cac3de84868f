"""A small world of all that commands read: a folder, a dataset, weights, features, a result."""

import contextlib
import io
import os
import signal
import time
import traceback
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from neco.cli import main

SIDE = 48
CLASSES = ("background", "cat", "dog")
LIMIT = 120
"""Seconds after which a call counts as hanging."""
TRAINING = [
    "train.steps=3", "train.batch_size=4", "train.workers=0", "train.checkpoint_every=1",
    "train.log_every=1", "train.crops.global_size=16", "train.crops.local_size=8",
    "train.crops.local_count=2", "train.head.hidden=8", "train.head.output=4",
    "train.loss.aligned_size=3", "train.loss.references.count=5",
    "train.loss.sorting.implementation=torch",
]  # fmt: skip
READING = ["extraction.workers=0", "extraction.batch_size=4"]
EVALUATING = [*READING, "in_context.image_size=16", "in_context.fractions=[1]",
              "in_context.seeds=[0]", "in_context.neighbours=5"]  # fmt: skip
CLUSTERING = ["overcluster.image_size=16", "overcluster.mask_size=16", "overcluster.clusters=[8]",
              "overcluster.components=4", "overcluster.seeds=[0, 1]"]  # fmt: skip
LEARNING = [*READING, "linear.image_size=16", "linear.mask_size=16", "linear.augment=false",
            "linear.batch_size=4", "linear.epochs=2"]  # fmt: skip
FINE_TUNING = [
    "segmenter.iterations=4", "segmenter.batch_size=2", "segmenter.crop_size=32",
    "segmenter.window_stride=32", "segmenter.image_scale=[64, 64]", "segmenter.decoder_layers=1",
    "segmenter.validate_every=2", "segmenter.checkpoint_every=1", "segmenter.log_every=1",
    "segmenter.bootstrap=0",
]  # fmt: skip


class Hanging(BaseException):
    """A call lasted longer than LIMIT."""


@dataclass(frozen=True)
class Answer:
    """How a call ended."""

    status: int | None
    """None after a traceback or a hang."""
    told: str
    seconds: float
    trouble: str = ""
    """The traceback, or that it hung."""

    @property
    def line(self) -> str:
        """The last line on stderr."""
        return (self.told.strip().splitlines() or [""])[-1]


def sets(settings: list[str]) -> list[str]:
    """Return `--set` before each of them."""
    return [word for setting in settings for word in ("--set", setting)]


def call(*arguments: object) -> Answer:
    """Run a command in this process, with a limit of time, and return how it ended."""
    err, began, status, trouble = io.StringIO(), time.monotonic(), None, ""
    with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):
        try:
            with _limited(LIMIT):
                status = main([os.fspath(a) if isinstance(a, Path) else str(a) for a in arguments])
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 1
        except Hanging:
            trouble = f"hangs: {LIMIT} s"
        except Exception:
            trouble = traceback.format_exc()
    return Answer(status, err.getvalue(), time.monotonic() - began, trouble)


@contextmanager
def _limited(seconds: int) -> Iterator[None]:
    def stop(number: int, frame: Any) -> None:
        raise Hanging

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def photograph(number: int, size: tuple[int, int] = (SIDE, SIDE)) -> Image.Image:
    """Return a photograph of smooth random colours."""
    colours = np.random.default_rng(number).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(colours).resize(size, Image.Resampling.BICUBIC)


def label_image(number: int) -> np.ndarray:
    """Return labels (SIDE, SIDE) that hold every class."""
    small = np.random.default_rng(number).permutation(np.arange(16) % 3).reshape(4, 4)
    return np.kron(small, np.ones((SIDE // 4, SIDE // 4))).astype(np.uint8)


def labelled_folder(folder: Path, count: int = 10) -> Path:
    """Write a folder of images, masks and class names, as a user has it."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for number in range(count):
        photograph(number).save(folder / "images" / f"{number:03d}.jpg", quality=90)
        Image.fromarray(label_image(number)).save(folder / "masks" / f"{number:03d}.png")
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in CLASSES))
    return folder


@dataclass(frozen=True)
class World:
    """Where everything lies, and the commands that read it."""

    root: Path

    @property
    def folder(self) -> Path:
        """A labelled folder of one's own."""
        return self.root / "mine"

    @property
    def data(self) -> Path:
        """The folder, prepared."""
        return self.root / "prepared" / "mine"

    @property
    def weights(self) -> Path:
        """Weights of `demo-vit`."""
        return self.root / "demo-vit.safetensors"

    def features(self, split: str) -> Path:
        """Features of a split."""
        return self.root / "features" / split

    def prepare(self, folder: Path, into: Path, *more: object) -> list[object]:
        return ["prepare", folder, "--into", into, "--processes", 1, *more]

    def train(self, into: Path, *more: str, data: Path | None = None) -> list[object]:
        return ["train", "--backbone", "demo-vit-random", "--data", data or self.data,
                "--into", into, *sets([*TRAINING, *more])]  # fmt: skip

    def extract(
        self, into: Path, split: str = "val", weights: Path | None = None, data: Path | None = None,
        side: int = 16,
    ) -> list[object]:  # fmt: skip
        return ["extract", "--model", "demo-vit", "--backbone", "demo-vit",
                "--weights", weights or self.weights, "--data", data or self.data,
                "--split", split, "--image-size", side, "--into", into,
                *sets(READING)]  # fmt: skip

    def attend(self, into: Path) -> list[object]:
        return ["attend", "--backbone", "demo-vit", "--weights", self.weights, "--data", self.data,
                "--split", "val", "--image-size", 16, "--into", into, *sets(READING)]  # fmt: skip

    def evaluate(
        self, into: Path, train: Path | None = None, val: Path | None = None,
        data: Path | None = None,
    ) -> list[object]:  # fmt: skip
        return ["evaluate", "in-context", "--data", data or self.data,
                "--train-features", train or self.features("train"),
                "--val-features", val or self.features("val"),
                "--into", into, *sets(EVALUATING)]  # fmt: skip

    def cluster(self, into: Path, *more: str, features: Path | None = None) -> list[object]:
        return ["evaluate", "overcluster", "--data", self.data,
                "--val-features", features or self.features("val"), "--into", into,
                *sets([*CLUSTERING, *more])]  # fmt: skip

    def learn(self, into: Path, *more: str) -> list[object]:
        return ["evaluate", "linear", "--data", self.data,
                "--train-features", self.features("train"),
                "--val-features", self.features("val"), "--into", into,
                *sets([*LEARNING, *more])]  # fmt: skip

    def fine_tune(self, into: Path, *more: str) -> list[object]:
        return ["evaluate", "segmenter", "--data", self.data, "--backbone", "demo-vit",
                "--weights", self.weights, "--learning-rate", "1e-3", "--seed", 0, "--into", into,
                *sets([*FINE_TUNING, *more])]  # fmt: skip


def copied_archive(mirror: Path) -> None:
    """Write a zip under the name of an official archive; fetching looks no deeper."""
    mirror.mkdir()
    with zipfile.ZipFile(mirror / "ADEChallengeData2016.zip", "w") as archive:
        archive.writestr("member.txt", "content" * 1000)


def build(root: Path) -> World:
    """Make a world; every command of it has to succeed."""
    world = World(root)
    labelled_folder(world.folder)
    copied_archive(root / "mirror")
    for command in (
        world.prepare(world.folder, world.data),
        ["weights", "demo-vit", "--into", world.weights, "--downloads", root / "downloads"],
        world.extract(world.features("train"), "train"),
        world.extract(world.features("val"), "val"),
        world.evaluate(root / "metrics.json"),
    ):
        answer = call(*command)
        assert answer.status == 0, answer.trouble or answer.told
    return world
