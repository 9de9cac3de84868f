"""What a worker does when workers cut the views: images come in, views and boxes come out."""

from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from neco.config.training import Crops
from neco.data.dataset import Dataset
from neco.views.boxes import sample_boxes


class Views(NamedTuple):
    """The views of a batch of B images, uint8, before their colours are changed."""

    global_views: Tensor
    """(B, G, 3, global_size, global_size)"""
    local_views: Tensor
    """(B, V - G, 3, local_size, local_size)"""
    boxes: Tensor
    """(B, V, 4) in pixels of each image: the crops that the views were cut from"""


def cut(image: Image.Image, box: np.ndarray, side: int) -> np.ndarray:
    """Return the view of a box, uint8 (3, side, side), by an antialiasing bilinear filter."""
    view = image.resize((side, side), Image.Resampling.BILINEAR, box=tuple(box.tolist()))
    return np.asarray(view).transpose(2, 0, 1)


class MultiCropDataset(TorchDataset[Views]):
    """The views of single images. An item's key (draw, index) decides all its random choices."""

    def __init__(self, dataset: Dataset, crops: Crops, seed: int) -> None:
        self.items = dataset.items
        self.crops = crops
        self.seed = seed

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, key: tuple[int, int]) -> Views:
        """Return the views of image `index` at its `draw`-th use, in tensors without the axis B."""
        draw, index = key
        rng = np.random.default_rng([self.seed, draw, index])
        image = self.items[index].read_image()
        boxes = sample_boxes(rng, image.width, image.height, self.crops)
        split = self.crops.global_count
        large = [cut(image, box, self.crops.global_size) for box in boxes[:split]]
        small = [cut(image, box, self.crops.local_size) for box in boxes[split:]]
        side = self.crops.local_size
        none = np.zeros((0, 3, side, side), dtype=np.uint8)
        return Views(
            torch.from_numpy(np.stack(large)),
            torch.from_numpy(np.stack(small) if small else none),
            torch.from_numpy(boxes),
        )


def collate(samples: list[Views]) -> Views:
    """Return the batch of single images' views."""
    return Views(*(torch.stack(parts) for parts in zip(*samples, strict=True)))
