"""What a worker does when the device cuts the views: images come in, pixels and boxes come out."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from neco.config.training import Crops
from neco.data.dataset import Dataset
from neco.views.boxes import sample_boxes
from neco.views.decoding import decoded, reduction


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
