"""Segmentation metrics: predictions and masks come in one by one, mIoU and its interval come out.

Counts are added up, so memory does not grow with the number of images.
"""

from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from neco.config.protocol import Evaluated
from neco.data.dataset import IGNORED, Dataset
from neco.errors import UserError
from neco.evaluate.per_image import Absent, of_margins
from neco.evaluate.result import Result


def refuse_unknown_classes(ids: np.ndarray, classes: int, what: str) -> None:
    """Raise UserError unless all ids are classes or 255. what: what holds them, as "a mask"."""
    strange = ids[(ids >= classes) & (ids != IGNORED)]
    if strange.size:
        raise UserError(
            f"{what} holds class {strange[0]}, but the dataset has {classes} classes; prepare the "
            "dataset again"
        )


def confusion(predicted: np.ndarray, target: np.ndarray, classes: int) -> np.ndarray:
    """Return how many pixels each true class and predicted class share, (classes, classes + 1).

    The result is int64. predicted: class ids, or 255 for "none of the classes", which the last
    column counts. target: class ids of the same shape, or 255 for ignored pixels, which are not
    counted. Raises UserError for any other id.
    """
    if predicted.shape != target.shape:
        raise ValueError(f"prediction {predicted.shape} and target {target.shape} differ in shape")
    for name, ids in (("mask", target), ("prediction", predicted)):
        refuse_unknown_classes(ids, classes, f"a {name}")
    columns = classes + 1  # 255 of either side falls into the last row or column
    pairs = np.minimum(target, classes).ravel().astype(np.int64) * columns
    pairs += np.minimum(predicted, classes).ravel()
    counts = np.bincount(pairs, minlength=columns * columns)
    return counts.reshape(columns, columns)[:classes]


def margins(table: np.ndarray) -> np.ndarray:
    """Return the correct, the predicted and the true pixels of each class, (3, classes)."""
    predicted = table.sum(axis=0)[: len(table)]
    return np.stack([np.diagonal(table), predicted, table.sum(axis=1)])


def class_iou(margin: np.ndarray) -> np.ndarray:
    """Return each class's IoU, float64 (..., classes), of margins (..., 3, classes).

    It is NaN where the ground truth does not show the class.
    """
    correct, predicted, true = np.moveaxis(np.asarray(margin, dtype=np.float64), -2, 0)
    union = np.where(true > 0, predicted + true - correct, 1.0)
    return np.where(true > 0, correct / union, np.nan)


def mean_iou(ious: np.ndarray, absent: Absent, zeros: int = 0) -> np.ndarray:
    """Return the mean of class IoUs over the last axis.

    A class that the ground truth does not show has NaN. absent: `zero` counts such a class as 0, as
    the released code does; `skip` leaves it out. zeros: how many further classes count as 0.
    """
    counted = np.isfinite(ious) if absent == "skip" else np.ones(ious.shape, bool)
    return np.nansum(ious, axis=-1) / np.maximum(counted.sum(axis=-1) + zeros, 1)


class Bootstrap:
    """The confidence interval of mIoU over images, in one pass over them.

    This is the Poisson bootstrap: every image enters each resampling Poisson(1) times. A resampling
    is then a sum to which images are added one by one, and no image has to be kept. Source: Oza and
    Russell 2001; Chamandy et al. 2012.
    """

    def __init__(self, classes: int, replicas: int) -> None:
        self.generator = np.random.default_rng(0)
        self.sums = np.zeros((replicas, 3 * classes))
        self.classes = classes

    def update(self, margin: np.ndarray) -> None:
        """Add one image's margins (3, classes)."""
        weights = self.generator.poisson(1.0, len(self.sums))
        drawn = np.flatnonzero(weights)
        there = np.flatnonzero(margin.ravel())  # few classes are in one image
        self.sums[np.ix_(drawn, there)] += np.outer(weights[drawn], margin.ravel()[there])

    def interval(
        self, absent: Absent, zeros: int = 0, level: float = 0.95
    ) -> tuple[float, float] | None:
        """Return the percentile interval of mIoU, 0 to 1; None without replicas."""
        if not len(self.sums):
            return None
        means = mean_iou(class_iou(self.sums.reshape(-1, 3, self.classes)), absent, zeros)
        low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)


class Tally:
    """What a result is computed from: a confusion table and its bootstrap.

    It is filled image by image. names: the classes. absent, zeros: as in `mean_iou`. replicas: of
    the bootstrap.
    """

    def __init__(
        self, names: list[str], absent: Absent = "zero", replicas: int = 0, zeros: int = 0
    ) -> None:
        self.names = names
        self.absent: Absent = absent
        self.zeros = zeros
        self.table = np.zeros((len(names), len(names) + 1), dtype=np.int64)
        self.bootstrap = Bootstrap(len(names), replicas)
        self.rows: list[csr_matrix] = []
        """The margins of each image, which take some hundred bytes."""

    @classmethod
    def of(cls, dataset: Dataset, settings: Evaluated) -> "Tally":
        """Return an empty tally of a dataset by a protocol's conventions."""
        zeros = int(settings.ignored_class == "zero")
        return cls(dataset.classes, settings.absent, settings.bootstrap, zeros)

    def update(self, predicted: np.ndarray, target: np.ndarray) -> None:
        """Add one image's prediction and mask (see `confusion`)."""
        self.add(confusion(predicted, target, len(self.names)))

    def add(self, table: np.ndarray) -> None:
        """Add one image's confusion table."""
        self.table += table
        margin = margins(table)
        self.bootstrap.update(margin)
        self.rows.append(csr_matrix(margin.reshape(1, -1)))

    def result(
        self,
        setting: str,
        seed: int,
        details: dict[str, Any] | None = None,
        mask_resolution: str | None = None,
    ) -> Result:
        """Return the mIoU of all images so far, in percent."""
        ious = class_iou(margins(self.table))
        interval = self.bootstrap.interval(self.absent, self.zeros)
        found = Result(
            setting=setting,
            seed=seed,
            mIoU=round(100 * float(mean_iou(ious, self.absent, self.zeros)), 4),
            per_class_iou={
                name: None if np.isnan(iou) else round(100 * float(iou), 4)
                for name, iou in zip(self.names, ious, strict=True)
            },
            interval=None
            if interval is None
            else (round(100 * interval[0], 4), round(100 * interval[1], 4)),
            mask_resolution=mask_resolution,
            details=details or {},
        )
        found._parts = of_margins(self.rows, self.absent, self.zeros)
        return found
