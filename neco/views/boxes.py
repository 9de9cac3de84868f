"""Where crops lie: a pure, vectorised sampler of crop boxes that meet one another.

A box is (left, top, right, bottom) in pixels of the image, as float32.
"""

import numpy as np

from neco.config.training import Crops


def sample_boxes(rng: np.random.Generator, width: int, height: int, crops: Crops) -> np.ndarray:
    """Return boxes (global + local crops, 4) of one image, global crops first.

    Areas and aspects are drawn as in random resized crops; a draw counts when every pair of a
    global and another crop meets in the share of the image that `crops` asks for. Source: paper,
    appendix A.1; reference implementation (redraw until met).
    """
    boxes = _draw(rng, width, height, crops, crops.attempts)  # (attempts, crops, 4)
    good = np.flatnonzero(_meets(boxes, width * height, crops))
    if len(good):
        return boxes[good[0]]
    return _centred(boxes[-1], width, height)


def _draw(
    rng: np.random.Generator, width: int, height: int, crops: Crops, attempts: int
) -> np.ndarray:
    """Return independent boxes (attempts, crops, 4), whatever their overlap."""
    count = crops.global_count + crops.local_count
    low, high = np.array(
        [crops.global_scale] * crops.global_count + [crops.local_scale] * crops.local_count
    ).T
    area = width * height * rng.uniform(low, high, (attempts, count))
    low_aspect, high_aspect = np.log(crops.aspect)
    aspect = np.exp(rng.uniform(low_aspect, high_aspect, (attempts, count)))
    aspect = np.clip(aspect, area / height**2, width**2 / area)  # so that the box fits the image
    wide, tall = np.sqrt(area * aspect), np.sqrt(area / aspect)
    left = rng.uniform(0, 1, (attempts, count)) * (width - wide)
    top = rng.uniform(0, 1, (attempts, count)) * (height - tall)
    boxes = np.stack([left, top, left + wide, top + tall], axis=-1)
    # Rounding may put an edge a millionth of a pixel outside, which image libraries refuse.
    return np.clip(boxes, 0, [width, height, width, height]).astype(np.float32)


def _meets(boxes: np.ndarray, image_area: float, crops: Crops) -> np.ndarray:
    """Return which draws (attempts,) satisfy the overlap rule; boxes (attempts, crops, 4)."""
    others = boxes[:, None, :, :]  # (attempts, 1, crops, 4)
    globals_ = boxes[:, : crops.global_count, None, :]  # (attempts, globals, 1, 4)
    sides = np.minimum(globals_[..., 2:], others[..., 2:]) - np.maximum(
        globals_[..., :2], others[..., :2]
    )
    share = np.prod(np.clip(sides, 0, None), axis=-1) / image_area  # (attempts, globals, crops)
    needed = np.full(boxes.shape[1], crops.minimum_overlap)
    needed[: crops.global_count] = crops.minimum_global_overlap
    return ((share >= needed) & (share > 0)).all(axis=(1, 2))


def _centred(boxes: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return the boxes (crops, 4) moved to the image's middle, where all of them meet."""
    half = (boxes[:, 2:] - boxes[:, :2]) / 2
    middle = np.array([width / 2, height / 2], dtype=np.float32)
    return np.concatenate([middle - half, middle + half], axis=1)
