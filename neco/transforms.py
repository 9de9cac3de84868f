"""How images and masks are brought to their working size, the same way in every protocol.

Images are stretched to a square and never cropped. So every pixel is evaluated, and the place of a
patch in the mask follows from its row and column alone.
"""

from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from neco.normalisation import IMAGENET, Normalisation

Resampling = Literal["centre", "floor"]


def input_side(image_size: int, patch_size: int) -> int:
    """Return `image_size` rounded down to a multiple of the patch size (at least one patch)."""
    return max(image_size // patch_size, 1) * patch_size


def image_tensor(image: Image.Image, side: int, normalisation: Normalisation = IMAGENET) -> Tensor:
    """Return an RGB image as float32 (3, side, side), bilinear with antialias, normalised.

    Pillow's bilinear filter widens with the reduction, which is what antialias means.
    """
    resized = image.resize((side, side), Image.Resampling.BILINEAR)
    return normalised(torch.from_numpy(np.array(resized)).permute(2, 0, 1), normalisation)


def normalised(pixels: Tensor, normalisation: Normalisation = IMAGENET) -> Tensor:
    """Return images uint8 (..., 3, H, W) as float32, normalised by mean and standard deviation."""
    mean, std = (torch.tensor(part, device=pixels.device)[:, None, None] for part in normalisation)
    return (pixels.float() / 255.0 - mean) / std


def nearest_index(source: int, target: int, at: Resampling = "centre") -> np.ndarray:
    """Return which of `source` cells each of `target` cells reads, int64 (target,).

    centre: the one that holds the target cell's centre. floor: the one that holds its first corner,
    computed in single precision, as PyTorch's `nearest` does.
    """
    if at == "centre":
        return (2 * np.arange(target) + 1) * source // (2 * target)
    scale = np.float32(source) / np.float32(target)
    corners = np.arange(target, dtype=np.float32) * scale
    return np.minimum(corners.astype(np.int64), source - 1)


def resize_nearest(
    labels: np.ndarray, height: int, width: int, at: Resampling = "centre"
) -> np.ndarray:
    """Return labels (..., H, W) at (..., height, width); `at` as in `nearest_index`."""
    rows = nearest_index(labels.shape[-2], height, at)
    columns = nearest_index(labels.shape[-1], width, at)
    return np.ascontiguousarray(labels[..., rows[:, None], columns])


def pillow_nearest(mask: np.ndarray, side: int) -> np.ndarray:
    """Return a mask uint8 (H, W) at (side, side), resized by Pillow's nearest neighbour."""
    return np.array(Image.fromarray(mask).resize((side, side), Image.Resampling.NEAREST))


def small_mask(mask: np.ndarray, size: int, side: int, at: Resampling) -> np.ndarray:
    """Return a mask (H, W) at (size, size), at which predictions are compared with it.

    With `centre` the mask is resized at once. The released code (`floor`) resizes it to the input
    size (side, side) by Pillow first, and then by PyTorch's `nearest`.
    """
    if at == "floor":
        mask = pillow_nearest(mask, side)
    return resize_nearest(mask, size, size, at)


def resize_bilinear(scores: Tensor, height: int, width: int) -> Tensor:
    """Return maps (B, channels, rows, columns) at another height and width, resized bilinearly.

    Corners of pixels are not aligned (PyTorch's `align_corners=False`).
    """
    return torch.nn.functional.interpolate(
        scores, size=(height, width), mode="bilinear", align_corners=False
    )
