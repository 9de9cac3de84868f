"""Where crops lie: an image's size comes in, boxes of crops that overlap one another come out.

A box is (left, top, right, bottom) in pixels of the image, as float32.
"""

import math

import numpy as np

from neco.config.training import Crops

FIT_TRIES = 10
"""How often an area and an aspect are tried for one box: as often as torchvision's
RandomResizedCrop tries. Fewer tries give the centred box more often, where boxes seldom fit."""

BLOCK = 16
"""How many boxes are drawn at once for each crop without a box. It changes the speed only."""


def sample_boxes(rng: np.random.Generator, width: int, height: int, crops: Crops) -> np.ndarray:
    """Return boxes (V, 4) of one image, in pixels, global crops first.

    rng: draws them. width, height: the image's, in pixels.

    Crops are drawn one after the other. Each is drawn again until it overlaps every global crop
    before it by the share of the image that `crops` asks for. After `crops.attempts` the boxes are
    moved to the middle of the image, where all overlap. Source: paper, appendix A.1. The released
    code draws in the same order, but without an end.
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
    """Return `count` independent boxes for each crop, (crops, count, 4), without a look at overlap.

    aspects: the range of width over height. scales: (crops, 2), the range of each crop's area as a
    share of the image's. Area and aspect are drawn together until the box fits into the image.
    After FIT_TRIES it is the largest centred box of an aspect in range.
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
        nearest = min(max(width / height, aspects[0]), aspects[1])
        sides[none] = min(width, height * nearest), min(height, width / nearest)
        start[none] = (room - sides[none]) / 2
    # Rounding may put an edge a millionth of a pixel outside, which image libraries refuse.
    return np.concatenate([start, np.minimum(start + sides, room)], axis=-1)


def _choose(
    boxes: np.ndarray, candidates: np.ndarray, missing: np.ndarray, image_area: float, crops: Crops
) -> np.ndarray:
    """Write to `boxes` the first candidate that overlaps enough, and return who is left without.

    boxes: (V, 4). candidates: (missing, count, 4). missing: the crops without a box, as ascending
    indices; those that are still without one are returned in the same form.
    """
    global_boxes = boxes[: crops.global_count]
    split = int((missing < crops.global_count).sum())
    needed = image_area * crops.minimum_global_overlap
    for place, crop in enumerate(missing[:split]):
        good = _overlaps(candidates[place], global_boxes[:crop], needed)
        if not good.any():
            return missing[place:]
        boxes[crop] = candidates[place, good.argmax()]
    good = _overlaps(candidates[split:], global_boxes, image_area * crops.minimum_overlap)
    found = good.any(axis=1)
    local = missing[split:]
    boxes[local[found]] = candidates[split:][found, good.argmax(axis=1)[found]]
    return local[~found]


def _overlaps(boxes: np.ndarray, others: np.ndarray, needed: float) -> np.ndarray:
    """Return which boxes (..., 4) overlap each of the others (G, 4) enough, bool (...).

    Enough is at least `needed` pixels, and more than none.
    """
    mine = boxes[..., None, :]  # (..., 1, 4)
    sides = np.minimum(mine[..., 2:], others[:, 2:]) - np.maximum(mine[..., :2], others[:, :2])
    shared = np.where((sides > 0).all(axis=-1), sides.prod(axis=-1), -1)  # (..., G)
    enough: np.ndarray = np.logical_and.reduce((shared > 0) & (shared >= needed), axis=-1)
    return enough


def _centred(boxes: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return the boxes (V, 4) moved to the image's middle, where all of them overlap."""
    half = (boxes[:, 2:] - boxes[:, :2]) / 2
    middle = np.array([width / 2, height / 2])
    return np.concatenate([middle - half, middle + half], axis=1).astype(np.float32)
