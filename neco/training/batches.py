"""Batches of views, in an order that follows from the seed and the step alone.

A dataset and settings come in, and a loader comes out that can start at any step. So a training
that continues sees the same images.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import Sampler

from neco.config.training import Train
from neco.data.dataset import Dataset
from neco.errors import UserError
from neco.loading import Loader, loader
from neco.training.stopping import STOP_SIGNALS
from neco.views import (
    MultiCropDataset,
    PhotographDataset,
    collate,
    collate_photographs,
)


class StepSampler(Sampler[list[tuple[int, int]]]):
    """Yields a batch of (epoch, image) keys for each step from `first_step` on.

    Every epoch is a new permutation. The last batch of an epoch is dropped where it is incomplete.
    Each of several processes takes its share of every batch.
    """

    def __init__(
        self, images: int, settings: Train, first_step: int, rank: int = 0, processes: int = 1
    ) -> None:
        self.images = images
        self.batch_size = settings.batch_size
        self.seed = settings.seed
        self.first_step = first_step
        self.steps = total_steps(images, settings)
        self.rank, self.processes = rank, processes

    def __len__(self) -> int:
        return self.steps - self.first_step

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        per_epoch = self.images // self.batch_size
        order, ordered_epoch = np.empty(0, dtype=int), -1
        for step in range(self.first_step, self.steps):
            epoch, batch = divmod(step, per_epoch)
            if epoch != ordered_epoch:
                order = np.random.default_rng([self.seed, epoch]).permutation(self.images)
                ordered_epoch = epoch
            chosen = order[batch * self.batch_size : (batch + 1) * self.batch_size]
            share = np.array_split(chosen, self.processes)[self.rank]
            yield [(epoch, int(image)) for image in share]


def total_steps(images: int, settings: Train) -> int:
    """Return the number of steps of a training.

    Raises UserError when the images do not fill one batch.
    """
    if images < settings.batch_size:
        raise UserError(
            f"train.batch_size {settings.batch_size} is more than the {images} images of the split "
            f"'{settings.split}'; lower it, or use more images"
        )
    return settings.steps or settings.epochs * (images // settings.batch_size)


def view_loader(
    dataset: Dataset, settings: Train, first_step: int, rank: int = 0, processes: int = 1
) -> Loader:
    """Return the loader of views, one batch for each step from `first_step` to the last.

    It yields Views, which the workers have cut, or Photographs, from which the device cuts views.
    """
    on_gpu = torch.cuda.is_available()
    how: dict[str, Any] = {
        "batch_sampler": StepSampler(len(dataset), settings, first_step, rank, processes),
        "workers": settings.workers,
        "ignored": STOP_SIGNALS,
        "pin_memory": on_gpu,
    }
    if settings.views == "device" or (settings.views == "auto" and on_gpu):
        photographs = PhotographDataset(dataset, settings.crops, settings.seed)
        return loader(photographs, collate=collate_photographs, **how)
    views = MultiCropDataset(dataset, settings.crops, settings.seed)
    return loader(views, collate=collate, **how)
