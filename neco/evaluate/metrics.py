"""Segmentation metrics from streamed counts: memory does not grow with the number of images."""

from typing import Any, Literal

import numpy as np
from scipy.sparse import csr_matrix

from neco.config.evaluation import Evaluated
from neco.data.dataset import IGNORED, Dataset
from neco.errors import UserError
from neco.evaluate.per_image import of_margins
from neco.evaluate.result import Result

Absent = Literal["zero", "skip"]


def confusion(predicted: np.ndarray, target: np.ndarray, classes: int) -> np.ndarray:
    """Return int64 (classes, classes + 1), pixels by (target, predicted), ignored targets left out.

    predicted: class ids, or 255 for "none of the classes", which is counted in the last column;
    target: class ids, or 255 = ignored; both of one shape. Raises UserError for any other id.
    """
    if predicted.shape != target.shape:
        raise ValueError(f"prediction {predicted.shape} and target {target.shape} differ in shape")
    for name, ids in (("mask", target), ("prediction", predicted)):
        strange = ids[(ids >= classes) & (ids != IGNORED)]
        if strange.size:
            raise UserError(
                f"a {name} holds class {strange[0]}, but the dataset has {classes} classes; "
                "prepare the dataset again"
            )
    columns = classes + 1  # 255 of either side falls into the last row or column
    pairs = np.minimum(target, classes).ravel().astype(np.int64) * columns
    pairs += np.minimum(predicted, classes).ravel()
    counts = np.bincount(pairs, minlength=columns * columns)
    return counts.reshape(columns, columns)[:classes]


def margins(table: np.ndarray) -> np.ndarray:
    """Return (3, classes) of a confusion table: correct, predicted and true pixels by class."""
    predicted = table.sum(axis=0)[: len(table)]
    return np.stack([np.diagonal(table), predicted, table.sum(axis=1)])


def class_iou(margin: np.ndarray) -> np.ndarray:
    """Return float64 (..., classes) of margins (..., 3, classes); NaN where truth has none."""
    correct, predicted, true = np.moveaxis(np.asarray(margin, dtype=np.float64), -2, 0)
    union = np.where(true > 0, predicted + true - correct, 1.0)
    return np.where(true > 0, correct / union, np.nan)


def mean_iou(ious: np.ndarray, absent: Absent, zeros: int = 0) -> np.ndarray:
    """Return the mean over the last axis of class IoUs, NaN meaning absent from the truth.

    absent: `zero` counts such a class as 0 (the released code's convention), `skip` leaves it out.
    zeros: how many further classes of IoU 0 are averaged in.
    """
    counted = np.isfinite(ious) if absent == "skip" else np.ones(ious.shape, bool)
    return np.nansum(ious, axis=-1) / np.maximum(counted.sum(axis=-1) + zeros, 1)


class Bootstrap:
    """Confidence interval of mIoU over images, in one pass.

    Poisson bootstrap: every image enters every replica Poisson(1) times, so replicas are sums that
    can be streamed; nothing per image is kept. Source: Oza and Russell 2001; Chamandy et al. 2012.
    """

    def __init__(self, classes: int, replicas: int, seed: int = 0) -> None:
        self.generator = np.random.default_rng(seed)
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
    """One number in the making: a confusion table and its bootstrap, image by image."""

    def __init__(
        self, names: list[str], absent: Absent = "zero", replicas: int = 0, zeros: int = 0
    ) -> None:
        self.names = names
        self.absent: Absent = absent
        self.zeros = zeros
        self.table = np.zeros((len(names), len(names) + 1), dtype=np.int64)
        self.bootstrap = Bootstrap(len(names), replicas)
        self.rows: list[csr_matrix] = []  # of each image, some hundred bytes: its margins

    @classmethod
    def of(cls, dataset: Dataset, settings: Evaluated) -> "Tally":
        """Return an empty score of a dataset by a protocol's conventions."""
        zeros = int(settings.ignored_class == "zero")
        return cls(dataset.classes, settings.absent, settings.bootstrap, zeros)

    def update(self, predicted: np.ndarray, target: np.ndarray) -> None:
        """Add one image; see `confusion`."""
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
        """Return the number so far, in percent."""
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
