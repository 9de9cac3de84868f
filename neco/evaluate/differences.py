"""How sure a difference is: the paired bootstrap over images.

Images are drawn with replacement, as many as there are, and each number is computed again from the
drawn images' counts of pixels. Both backbones are given the same draws, so what makes an image
hard for both cancels out: the interval of a difference is narrower than two intervals suggest.
Where a number is a mean over seeds, all seeds are given the same draws. Source: Efron and
Tibshirani, An Introduction to the Bootstrap, 1993 (percentile intervals, paired samples).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from neco.evaluate.per_image import PerImage
from neco.evaluate.result import Metrics

BLOCK = 4_000_000
"""Weights drawn at a time."""


class Measured(Protocol):
    """What one protocol gave of one model on one dataset."""

    @property
    def metrics(self) -> Metrics:
        """The numbers."""

    @property
    def parts(self) -> list[PerImage]:
        """Of each of the metrics' results."""


@dataclass(frozen=True)
class Score:
    """One number in percent, with the same number of every draw."""

    value: float
    draws: np.ndarray
    """float64 (replicas,)."""
    seeds: int
    quantity: str

    def interval(self, level: float) -> tuple[float, float]:
        """Return the percentile interval of the number."""
        return interval(self.draws, level)


@dataclass(frozen=True)
class Difference:
    """How far one number lies above the baseline's, in points."""

    value: float
    interval: tuple[float, float]

    @property
    def sure(self) -> bool:
        """Return whether the interval lies on one side of zero."""
        return self.interval[0] > 0 or self.interval[1] < 0


def image_weights(images: int, replicas: int, seed: int) -> np.ndarray:
    """Return int64 (replicas, images): how often each image is drawn; every row sums to `images`.

    The same arguments give the same draws, which is what pairs two backbones.
    """
    generator = np.random.default_rng([seed, images])
    return generator.multinomial(images, np.full(images, 1 / images), size=replicas)


def scores(
    measured: Measured, replicas: int, seed: int, only: str | None = None
) -> dict[str, Score]:
    """Return the number of each setting of a protocol, its mean over seeds, with its draws.

    only: the one setting to look at; None looks at all.
    """
    by_setting: dict[str, list[PerImage]] = {}
    for result, parts in zip(measured.metrics.results, measured.parts, strict=True):
        if only is None or result.setting == only:
            by_setting.setdefault(result.setting, []).append(parts)
    weights: dict[int, np.ndarray] = {}
    found = {}
    for setting, alike in by_setting.items():
        draws = np.zeros(replicas)
        for parts in alike:
            if len(parts) not in weights:
                weights[len(parts)] = image_weights(len(parts), replicas, seed)
            draws += drawn(parts, weights[len(parts)])
        summary = measured.metrics.summary[setting]
        found[setting] = Score(summary.mIoU, draws / len(alike), len(alike), summary.quantity)
    return found


def drawn(parts: PerImage, weights: np.ndarray) -> np.ndarray:
    """Return the number of each draw, in blocks that fit memory however many images there are."""
    rows = max(BLOCK // max(weights.shape[1], 1), 1)
    pieces = [parts.drawn(weights[at : at + rows]) for at in range(0, len(weights), rows)]
    return np.concatenate(pieces)


def interval(draws: np.ndarray, level: float) -> tuple[float, float]:
    """Return the ends between which that share of the draws lies."""
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def difference(score: Score, baseline: Score, level: float) -> Difference:
    """Return how far `score` lies above `baseline`; both were given the same draws."""
    return Difference(score.value - baseline.value, interval(score.draws - baseline.draws, level))


def comparable(one: Measured, other: Measured) -> str | None:
    """Return in words what forbids to take one number from the other, None where nothing does."""
    mine, theirs = one.metrics.conditions, other.metrics.conditions
    for name in ("class_set", "val_split", "val_images", "mask_resolution", "config_digest"):
        if getattr(mine, name) != getattr(theirs, name):
            return f"they were measured with another {name.replace('_', ' ')}"
    return None


def settings_of(measured: Sequence[Measured]) -> list[str]:
    """Return the settings that all of some measurements have, in the order of the first."""
    common = set.intersection(*({*one.metrics.summary} for one in measured))
    return [name for name in measured[0].metrics.summary if name in common]
