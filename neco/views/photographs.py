"""What a worker does when the device cuts the views: images come in, pixels and boxes come out."""

from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from neco.config.training import Crops
from neco.data.dataset import Dataset
from neco.views.boxes import sample_boxes

REDUCTIONS = (8, 4, 2)
"""Factors by which a JPEG decoder can shrink an image in less time than it decodes all of it."""


class Photograph(NamedTuple):
    """One decoded image, or the part of it that its crops need."""

    pixels: np.ndarray
    """uint8 (H, W, 3)"""
    boxes: np.ndarray
    """float32 (V, 4) in pixels of the image"""
    placed: np.ndarray
    """float32 (V, 4): the same boxes in `pixels`"""


class Photographs(NamedTuple):
    """A batch of B images of any size.

    All pixels lie in one buffer, so that one copy brings them to the device. Small arrays stay in
    numpy: a worker hands over each tensor through a connection of its own, which costs the process
    that trains almost a millisecond.
    """

    pixels: Tensor
    """uint8 (sum of H * W * 3,)"""
    shapes: np.ndarray
    """int64 (B, 2): H and W"""
    boxes: np.ndarray
    """float32 (B, V, 4), global crops first, in pixels of each image"""
    placed: np.ndarray
    """float32 (B, V, 4): the same boxes in each image's part of `pixels`"""


class PhotographDataset(TorchDataset[Photograph]):
    """Single images with their boxes, which an item's key decides as in MultiCropDataset."""

    def __init__(self, dataset: Dataset, crops: Crops, seed: int) -> None:
        self.items = dataset.items
        self.crops = crops
        self.seed = seed
        self.sides = view_sides(crops)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, key: tuple[int, int]) -> Photograph:
        """Return image `index` with the boxes of its `draw`-th use."""
        draw, index = key
        rng = np.random.default_rng([self.seed, draw, index])
        with self.items[index].opened_image() as image:
            boxes = sample_boxes(rng, image.width, image.height, self.crops)
            factor = reduction(boxes, self.sides)
            pixels = decoded(image, factor)
        part, placed = needed(pixels, boxes / factor, self.sides)
        return Photograph(part, boxes, placed)


def view_sides(crops: Crops) -> np.ndarray:
    """Return the side in pixels of every view (V,), global crops first."""
    counts = [crops.global_count, crops.local_count]
    return np.repeat(np.array([crops.global_size, crops.local_size], dtype=np.float32), counts)


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


def needed(
    pixels: np.ndarray, boxes: np.ndarray, sides: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the part of `pixels` (H, W, 3) that resizing reads, and the boxes in that part.

    boxes: (V, 4) in `pixels`. sides: (V,), those of the views in pixels. On each edge of a box, the
    filter reads as many pixels more as one pixel of the view is made of.
    """
    reach = np.maximum((boxes[:, 2:] - boxes[:, :2]) / sides[:, None], 1)  # (V, 2)
    limit = np.array([pixels.shape[1], pixels.shape[0]])
    start = np.floor((boxes[:, :2] - reach).min(axis=0)).clip(0, limit).astype(int)
    end = np.ceil((boxes[:, 2:] + reach).max(axis=0)).clip(0, limit).astype(int)
    part = pixels[start[1] : end[1], start[0] : end[0]]
    return part, (boxes - np.tile(start, 2)).astype(np.float32)


def collate_photographs(samples: list[Photograph]) -> Photographs:
    """Return the batch of single images."""
    shapes = np.array([sample.pixels.shape[:2] for sample in samples])
    ends = 3 * shapes.prod(axis=1).cumsum()
    buffer = torch.empty(int(ends[-1]), dtype=torch.uint8)
    for sample, part in zip(samples, np.split(buffer.numpy(), ends[:-1]), strict=True):
        part.reshape(sample.pixels.shape)[:] = sample.pixels
    return Photographs(
        buffer,
        shapes,
        np.stack([sample.boxes for sample in samples]),
        np.stack([sample.placed for sample in samples]),
    )
