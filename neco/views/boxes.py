"""Where crops lie: the size of an image comes in, boxes of crops that meet one another come out.

A box is (left, top, right, bottom) in pixels of the image, as float32.
"""

import math

import numpy as np

from neco.config.training import Crops

FIT_TRIES = 10
"""Areas and aspects that are tried for one box, as many as in torchvision's RandomResizedCrop. The
number matters: where boxes seldom fit into the image, fewer tries give the centred box more
often."""

BLOCK = 16
"""Boxes that are drawn at once for each crop without a box. It changes the speed only."""


def sample_boxes(rng: np.random.Generator, width: int, height: int, crops: Crops) -> np.ndarray:
    """Return boxes (V, 4) of one image, in pixels, global crops first.

    The crops are drawn one after the other, each again and again until it meets every global crop
    before it in the share of the image that `crops` asks for. Source: paper, appendix A.1; the
    released code draws in the same order, and without end.
    """
    scales = np.array(
        [crops.global_scale] * crops.global_count + [crops.local_scale] * crops.local_count
    )
    boxes = np.zeros((len(scales), 4))
    missing = np.arange(len(scales))  # crops without a box
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
    """Return `count` independent boxes for each crop, (crops, count, 4), whatever their overlap.

    scales: (crops, 2), the range of each crop's area. Area and aspect are drawn together until the
    box fits into the image. After FIT_TRIES it is the largest centred box of an aspect in range.
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
    """Write the first candidate that fits into `boxes`, for each crop without a box.

    boxes: (V, 4). missing: the crops without a box, as ascending indices.
    candidates: (missing, count, 4). Returns the crops that are still without a box.
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
    """Return which boxes (..., 4) have at least `needed` pixels, and more than none, in common with
    each of the others (G, 4)."""
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
