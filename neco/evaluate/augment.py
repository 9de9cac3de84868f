"""Random crops and flips of labelled images, for the linear protocol."""

import math

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from neco.config.evaluation import Linear
from neco.data.dataset import Dataset
from neco.evaluate.transforms import normalised, resize_nearest
from neco.normalisation import IMAGENET, Normalisation

Box = tuple[int, int, int, int]
ASPECTS = (3 / 4, 4 / 3)
TRIES = 10


def crop_box(
    height: int, width: int, scale: tuple[float, float], generator: np.random.Generator
) -> Box:
    """Return (left, top, right, bottom) of a random crop, torchvision's distribution.

    Area a uniform share of the image's within `scale`, aspect log-uniform in 3/4 to 4/3; after ten
    that do not fit, the largest centred crop of an allowed aspect.
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


class AugmentedImages(TorchDataset):
    """One epoch of a labelled split; every item depends on (seed, epoch, index) alone."""

    def __init__(
        self,
        dataset: Dataset,
        side: int,
        settings: Linear,
        seed: int,
        epoch: int,
        normalisation: Normalisation = IMAGENET,
    ) -> None:
        self.dataset = dataset
        self.side = side
        self.settings = settings
        self.seed = (seed, epoch)
        self.normalisation = normalisation

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return image float32 (3, side, side) and mask int64 (mask_size, mask_size)."""
        generator = np.random.default_rng([*self.seed, index])
        item = self.dataset.items[index]
        image, mask = item.read_image(), item.read_mask()
        box = crop_box(image.height, image.width, self.settings.crop_scale, generator)
        left, top, right, bottom = box
        square = image.resize((self.side, self.side), Image.Resampling.BILINEAR, box)
        pixels = np.array(square)
        size = self.settings.mask_size
        labels = resize_nearest(mask[top:bottom, left:right], size, size)
        if generator.random() < self.settings.flip_probability:
            pixels, labels = pixels[:, ::-1].copy(), labels[:, ::-1].copy()
        tensor = torch.from_numpy(pixels).permute(2, 0, 1)
        return normalised(tensor, self.normalisation), torch.from_numpy(labels).long()
