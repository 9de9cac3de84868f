"""Decoding no more of an image than its crops need."""

import numpy as np
from PIL import Image

REDUCTIONS = (8, 4, 2)
"""Whole factors by which a JPEG decoder shrinks for less than the cost of decoding everything."""


def reduction(boxes: np.ndarray, sides: np.ndarray) -> int:
    """Return 8, 4, 2 or 1: by how much an image can shrink before any crop would have to grow.

    boxes (V, 4) in pixels of the image, sides (V,) of the crops that are made of them.
    """
    extents = boxes[:, 2:] - boxes[:, :2]  # (V, 2)
    smallest = (extents / sides[:, None]).min()
    return next((factor for factor in REDUCTIONS if smallest >= factor), 1)


def decoded(image: Image.Image, factor: int) -> np.ndarray:
    """Return the pixels of an opened image, uint8 (H, W, 3), at 1/factor of its size, rounded up.

    A pixel is the mean of factor x factor pixels: in a JPEG taken by the decoder from the cosine
    transform, elsewhere from the decoded image. Raises OSError where the image is damaged.
    """
    drafted = None
    if factor > 1:
        drafted = image.draft(None, (image.width // factor, image.height // factor))
    whole = image if image.mode == "RGB" else image.convert("RGB")
    return np.asarray(whole if factor == 1 or drafted else whole.reduce(factor))
