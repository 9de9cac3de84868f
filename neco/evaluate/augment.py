"""Random crops, flips and colours: a labelled dataset comes in, tensors and masks come out.

The protocols that train on labelled images use it.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from neco.data.dataset import Dataset
from neco.normalisation import IMAGENET, Normalisation
from neco.transforms import Resampling, normalised, pillow_nearest, resize_nearest
from neco.views.photometric import luminance, turn_hue

Box = tuple[int, int, int, int]
ASPECTS = (3 / 4, 4 / 3)
"""Smallest and largest width of a crop divided by its height."""
TRIES = 10
"""How often a crop is drawn until it fits into the image."""


def crop_box(
    height: int, width: int, scale: tuple[float, float], generator: np.random.Generator
) -> Box:
    """Return the box (left, top, right, bottom) of a random crop, drawn as torchvision draws it.

    height, width: the image's. scale: smallest and largest area as a share of the image's. The
    share is uniform in this range, and the aspect log-uniform in ASPECTS. After TRIES crops that do
    not fit into the image, the box is the largest centred one of an allowed aspect.
    """
    for _ in range(TRIES):
        area = height * width * generator.uniform(*scale)
        aspect = math.exp(generator.uniform(math.log(ASPECTS[0]), math.log(ASPECTS[1])))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            top = int(generator.integers(0, height - h + 1))
            left = int(generator.integers(0, width - w + 1))
            return left, top, left + w, top + h
    aspect = min(max(width / height, ASPECTS[0]), ASPECTS[1])
    w, h = min(width, round(height * aspect)), min(height, round(width / aspect))
    left, top = (width - w) // 2, (height - h) // 2
    return left, top, left + w, top + h


def jittered(
    image: Tensor, strength: float, probability: float, generator: np.random.Generator
) -> Tensor:
    """Return an image float (3, H, W) in 0 to 1 with its colours changed, still in 0 to 1.

    Brightness, contrast and saturation are multiplied by a factor from 1 - strength to
    1 + strength. Then the hue is turned by at most `strength` of the colour circle. Each change is
    made with `probability`. Source: open-hummingbird-eval.
    """
    chosen = generator.random(4) < probability
    amounts = generator.uniform(-strength, strength, 4).tolist()
    brightness, contrast, saturation, turn = (
        amount if use else 0.0 for amount, use in zip(amounts, chosen, strict=True)
    )
    batch = (image[None] * (1 + brightness)).clamp(0, 1)
    middle = luminance(batch).mean()
    batch = (middle + (batch - middle) * (1 + contrast)).clamp(0, 1)
    gray = luminance(batch)
    batch = (gray + (batch - gray) * (1 + saturation)).clamp(0, 1)
    return (turn_hue(batch, torch.full((1, 1, 1, 1), turn)) if turn else batch)[0]


@dataclass(frozen=True)
class AugmentedImages(TorchDataset):
    """One epoch of a labelled split. Every item follows from (seed, index) alone."""

    dataset: Dataset
    side: int
    mask_size: int
    seed: tuple[int, ...]
    """The seed of the evaluation, and the number of the epoch."""
    crop_scale: tuple[float, float]
    """Smallest and largest area of a crop as a share of the image's."""
    flip_probability: float = 0.0
    resampling: Resampling = "centre"
    """How masks are resized to `mask_size`."""
    through: int | None = None
    """Size to which Pillow resizes masks before that, to flip them there; None skips it."""
    jitter: float = 0.0
    jitter_probability: float = 0.0
    normalisation: Normalisation = IMAGENET

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return the normalised image (3, side, side) and mask int64 (mask_size, mask_size)."""
        generator = np.random.default_rng([*self.seed, index])
        item = self.dataset.items[index]
        image, mask = item.read_image(), item.read_mask()
        box = crop_box(image.height, image.width, self.crop_scale, generator)
        left, top, right, bottom = box
        square = image.resize((self.side, self.side), Image.Resampling.BILINEAR, box)
        pixels = np.array(square)
        labels = mask[top:bottom, left:right]
        if self.through:
            labels = pillow_nearest(labels, self.through)
        else:
            labels = resize_nearest(labels, self.mask_size, self.mask_size, self.resampling)
        if generator.random() < self.flip_probability:
            pixels, labels = pixels[:, ::-1].copy(), labels[:, ::-1].copy()
        if self.through:
            labels = resize_nearest(labels, self.mask_size, self.mask_size, self.resampling)
        tensor = torch.from_numpy(pixels).permute(2, 0, 1)
        if self.jitter:
            colours = jittered(tensor / 255, self.jitter, self.jitter_probability, generator)
            tensor = colours * 255
        return normalised(tensor, self.normalisation), torch.from_numpy(labels).long()
