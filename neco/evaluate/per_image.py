"""What a number is made from, image by image: margins come in, resampled numbers come out.

Images can be drawn anew, and the number is then computed from those that were drawn.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from zipfile import BadZipFile

import numpy as np
from scipy.sparse import csr_matrix, vstack

from neco.files import opened_whole

if TYPE_CHECKING:
    from neco.evaluate.result import Result

Absent = Literal["zero", "skip"]


@dataclass(frozen=True)
class PerImage:
    """The parts of one number: margins of confusion for an mIoU, and else a value of each image."""

    parts: csr_matrix
    """(images, 3 * classes): correct, predicted and true pixels of each class, as `margins` returns
    them; or (images, 1): the image's value, 0 to 1."""
    kind: Literal["mIoU", "mean"]
    absent: Absent = "zero"
    zeros: int = 0

    def __len__(self) -> int:
        return int(self.parts.shape[0])

    def drawn(self, weights: np.ndarray) -> np.ndarray:
        """Return the number in percent, float64 (draws,), of images that count `weights` times.

        weights: (draws, images). All ones give the number itself.
        """
        from neco.evaluate.metrics import class_iou, mean_iou  # which imports this module

        sums = np.asarray(self.parts.T @ weights.T.astype(np.float64)).T
        if self.kind == "mean":
            return 100 * sums[:, 0] / weights.sum(axis=1)
        classes = sums.shape[1] // 3
        return 100 * mean_iou(class_iou(sums.reshape(-1, 3, classes)), self.absent, self.zeros)


def of_margins(rows: list[csr_matrix], absent: Absent, zeros: int) -> PerImage | None:
    """Return the parts of an mIoU from one sparse row of margins for each image."""
    return PerImage(vstack(rows, format="csr"), "mIoU", absent, zeros) if rows else None


def of_values(values: np.ndarray) -> PerImage:
    """Return the parts of a mean over images, values float (images,), 0 to 1."""
    return PerImage(csr_matrix(np.asarray(values, np.float64)[:, None]), "mean")


DAMAGED = (OSError, ValueError, KeyError, EOFError, BadZipFile)
"""What reading a file of arrays raises that is absent, damaged or of an earlier version."""
ARRAYS = ("data", "indices", "indptr")


def write_parts(path: Path, key: str, parts: Sequence[PerImage]) -> None:
    """Write the parts of several numbers (.npz), under a key that says what they belong to.

    A number of 1,500 images takes about 100 kB.
    """
    about = [[part.kind, part.absent, part.zeros, *part.parts.shape] for part in parts]
    arrays = {
        f"{name}{number}": getattr(part.parts, name)
        for number, part in enumerate(parts)
        for name in ARRAYS
    }
    with opened_whole(path, "wb") as file:
        np.savez_compressed(file, key=np.array(key), about=np.array(json.dumps(about)), **arrays)


def read_parts(path: Path, key: str) -> list[PerImage] | None:
    """Return what `write_parts` wrote under this key, None where none of it can be read."""
    try:
        with np.load(path) as stored:
            if str(stored["key"]) != key:
                return None
            return [
                PerImage(
                    csr_matrix(tuple(stored[f"{name}{number}"] for name in ARRAYS), shape=shape),
                    kind,
                    absent,
                    zeros,
                )
                for number, (kind, absent, zeros, *shape) in enumerate(
                    json.loads(str(stored["about"]))
                )
            ]
    except DAMAGED:
        return None


def parts_of(result: Result) -> PerImage | None:
    """Return what a result that was just measured is made from. A result from a file has None."""
    return result._parts
