"""Where crops lie: a pure, vectorised sampler of crop boxes that meet one another.

A box is (left, top, right, bottom) in pixels of the image, as float32.
"""

import math

import numpy as np

from neco.config.training import Crops

FIT_TRIES = 10
"""Areas and aspects tried for one box, as torchvision's RandomResizedCrop does: it is a part of
what is drawn from, since an image whose boxes seldom fit gets the centred box the more often."""

BLOCK = 16
"""Boxes drawn at once for every crop that still needs one: a matter of speed alone."""


def sample_boxes(rng: np.random.Generator, width: int, height: int, crops: Crops) -> np.ndarray:
    """Return boxes (global + local crops, 4) of one image, global crops first.

    One crop after the other is drawn, as in random resized crops, until it meets every global crop
    before it in the share of the image that `crops` asks for. Source: paper, appendix A.1; the
    reference implementation redraws in this order, and without end.
    """
    scales = np.array(
        [crops.global_scale] * crops.global_count + [crops.local_scale] * crops.local_count
    )
    boxes = np.zeros((len(scales), 4))
    missing = np.arange(len(scales))  # crops without a box yet; locals only wait for the globals
    for drawn in range(0, crops.attempts, BLOCK):
        count = min(BLOCK, crops.attempts - drawn)
        candidates = _draw(rng, width, height, crops.aspect, scales[missing], count)
        boxes[missing] = candidates[:, -1]
        missing = _choose(boxes, candidates, missing, width * height, crops)
        if not len(missing):
            return boxes.astype(np.float32)
    return _centred(boxes, width, height)


def _draw(
    rng: np.random.Generator,
    width: int,
    height: int,
    aspects: tuple[float, float],
    scales: np.ndarray,
    count: int,
) -> np.ndarray:
    """Return `count` independent boxes of every crop, (crops, count, 4), whatever their overlap.

    scales (crops, 2) are the ranges of area. Area and aspect are drawn together until the box fits
    into the image; after FIT_TRIES the box is the largest centred one of an aspect in range.
    """
    low, high = scales.T[..., None, None]  # each (crops, 1, 1)
    chances = rng.random((2, len(scales), count, FIT_TRIES))
    area = width * height * (low + (high - low) * chances[0])
    shortest, longest = math.log(aspects[0]), math.log(aspects[1])
    aspect = np.exp(shortest + (longest - shortest) * chances[1])
    wide, tall = np.sqrt(area * aspect), np.sqrt(area / aspect)
    fits = (wide <= width) & (tall <= height)
    first = fits.argmax(axis=-1)[..., None]
    sides = np.stack(
        [np.take_along_axis(wide, first, -1), np.take_along_axis(tall, first, -1)], -1
    )[..., 0, :]  # (crops, count, 2)
    room = np.array([width, height])
    start = rng.random(sides.shape) * (room - sides)
    none = ~fits.any(axis=-1)
    if none.any():
        held = min(max(width / height, aspects[0]), aspects[1])
        sides[none] = min(width, height * held), min(height, width / held)
        start[none] = (room - sides[none]) / 2
    # Rounding may put an edge a millionth of a pixel outside, which image libraries refuse.
    return np.concatenate([start, np.minimum(start + sides, room)], axis=-1)


def _choose(
    boxes: np.ndarray, candidates: np.ndarray, missing: np.ndarray, image_area: float, crops: Crops
) -> np.ndarray:
    """Write each missing crop's first fitting candidate into `boxes`; return who still misses one.

    boxes (all crops, 4); candidates (missing crops, count, 4); missing are indices, ascending.
    """
    globals_ = boxes[: crops.global_count]
    split = int((missing < crops.global_count).sum())
    for place, crop in enumerate(missing[:split]):
        good = _meets(candidates[place], globals_[:crop], image_area * crops.minimum_global_overlap)
        if not good.any():
            return missing[place:]
        boxes[crop] = candidates[place, good.argmax()]
    good = _meets(candidates[split:], globals_, image_area * crops.minimum_overlap)
    found = good.any(axis=1)
    local = missing[split:]
    boxes[local[found]] = candidates[split:][found, good.argmax(axis=1)[found]]
    return local[~found]


def _meets(boxes: np.ndarray, others: np.ndarray, needed: float) -> np.ndarray:
    """Return which boxes (..., 4) share `needed` pixels, at least some, with all others (G, 4)."""
    mine = boxes[..., None, :]  # (..., 1, 4)
    sides = np.minimum(mine[..., 2:], others[:, 2:]) - np.maximum(mine[..., :2], others[:, :2])
    shared = np.where((sides > 0).all(axis=-1), sides.prod(axis=-1), -1)  # (..., G)
    met: np.ndarray = np.logical_and.reduce((shared > 0) & (shared >= needed), axis=-1)
    return met


def _centred(boxes: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return the boxes (crops, 4) moved to the image's middle, where all of them meet."""
    half = (boxes[:, 2:] - boxes[:, :2]) / 2
    middle = np.array([width / 2, height / 2])
    return np.concatenate([middle - half, middle + half], axis=1).astype(np.float32)
