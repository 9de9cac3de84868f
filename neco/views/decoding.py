"""Decoding an image no larger than its views need it: a file comes in, pixels come out."""

import numpy as np
from PIL import Image

REDUCTIONS = (8, 4, 2)
"""Factors by which a JPEG decoder can shrink an image in less time than it decodes all of it."""


def reduction(boxes: np.ndarray, sides: np.ndarray) -> int:
    """Return by which factor an image can shrink so that no crop is enlarged: 8, 4, 2 or 1.

    boxes: (V, 4) in pixels of the image. sides: (V,), the views' width and height in pixels.
    """
    extents = boxes[:, 2:] - boxes[:, :2]  # (V, 2)
    smallest = (extents / sides[:, None]).min()
    return next((factor for factor in REDUCTIONS if smallest >= factor), 1)


def decoded(image: Image.Image, factor: int) -> np.ndarray:
    """Return the pixels of an opened image, uint8 (H, W, 3), at 1/factor of its size, rounded up.

    Each pixel is the mean of factor x factor pixels. A JPEG's decoder computes it from the cosine
    transform. Other formats are decoded first. Raises OSError where the image is damaged.
    """
    drafted = None
    if factor > 1:
        drafted = image.draft(None, (image.width // factor, image.height // factor))
    whole = image if image.mode == "RGB" else image.convert("RGB")
    return np.asarray(whole if factor == 1 or drafted else whole.reduce(factor))
