"""This project's datasets in MMSegmentation's transforms: a dataset comes in, batches come out.

No file is copied or renamed.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from torch.utils.data import Dataset as TorchDataset

from neco.config.segmenter import Segmenter
from neco.data.dataset import IGNORED, Dataset, Item
from neco.evaluate.segmenter.library import (
    Compose,
    PackSegInputs,
    PhotoMetricDistortion,
    RandomCrop,
    RandomFlip,
    RandomResize,
    Resize,
    pseudo_collate,
)
from neco.loading import Loader, loader
from neco.training.stopping import STOP_SIGNALS


def read_item(item: Item) -> dict[str, Any]:
    """Return an image as MMSegmentation's loaders do.

    Its pixels are BGR, uint8 (H, W, 3), and its labels are uint8 (H, W).
    """
    image = np.ascontiguousarray(np.array(item.read_image())[..., ::-1])
    shape = image.shape[:2]
    mask = item.read_mask()
    return {"img": image, "img_shape": shape, "ori_shape": shape, "gt_seg_map": mask,
            "seg_fields": ["gt_seg_map"], "img_path": str(item.image)}  # fmt: skip


class TrainingCrops(TorchDataset):
    """The crops of a whole fine-tuning, in the order in which they are used.

    Crop number `place` follows from (seed, place) alone, so a fine-tuning that continues has the
    same crops.
    """

    def __init__(self, dataset: Dataset, settings: Segmenter, seed: int) -> None:
        self.dataset = dataset
        self.seed = seed
        cut = settings.cut_size or settings.crop_size
        self.transforms = Compose(
            [
                RandomResize(settings.image_scale, settings.scale_range, keep_ratio=True),
                RandomCrop((cut, cut), settings.largest_share, IGNORED),
                RandomFlip(settings.flip_probability),
                PhotoMetricDistortion(),
                PackSegInputs(),
            ]
        )

    def __getitem__(self, place: int) -> dict[str, Any]:
        """Return `inputs` uint8 (3, H, W), BGR, and `data_samples` with the labels."""
        epoch, number = divmod(place, len(self.dataset))
        order = np.random.default_rng([self.seed, 0, epoch]).permutation(len(self.dataset))
        with _seeded([self.seed, 1, place]):
            crop: dict[str, Any] = self.transforms(read_item(self.dataset.items[order[number]]))
        return crop


class ScaledImages(TorchDataset):
    """Held-out images scaled as MMSegmentation does, with labels at the image's own size."""

    def __init__(self, dataset: Dataset, settings: Segmenter) -> None:
        self.dataset = dataset
        self.resize = Resize(settings.image_scale, keep_ratio=True)
        self.pack = PackSegInputs()

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return `inputs` uint8 (3, H, W), BGR, and `data_samples` with the labels."""
        read = read_item(self.dataset.items[index])
        mask = read.pop("gt_seg_map")
        scaled = self.resize({**read, "seg_fields": []})
        packed: dict[str, Any] = self.pack({**scaled, "gt_seg_map": mask})
        return packed


def training_batches(
    dataset: Dataset, settings: Segmenter, seed: int, first: int, workers: int
) -> Loader:
    """Return the batches from iteration `first` to the last."""
    size = settings.batch_size
    places = range(first * size, settings.iterations * size)
    crops = TrainingCrops(dataset, settings, seed)
    return _loader(crops, size, workers, sampler=places)


def held_out_batches(dataset: Dataset, settings: Segmenter, workers: int) -> Loader:
    """Return the held-out images one by one, since their sizes differ."""
    return _loader(ScaledImages(dataset, settings), 1, workers)


def _loader(images: TorchDataset[Any], size: int, workers: int, **more: Any) -> Loader:
    return loader(
        images, size, workers=workers, collate=pseudo_collate, ignored=STOP_SIGNALS, **more
    )


@contextmanager
def _seeded(seed: list[int]) -> Iterator[None]:
    """Seed the global generators that the transforms draw from, and restore them."""
    before = random.getstate(), np.random.get_state()
    drawn = np.random.SeedSequence(seed).generate_state(2)
    random.seed(int(drawn[0]))
    np.random.seed(int(drawn[1]))
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
