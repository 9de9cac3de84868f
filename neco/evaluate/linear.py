"""Linear segmentation: a 1x1 convolution on frozen patch tokens.

Two ways, stated in the result's conditions as `augment`: the protocol (augmented images go through
the backbone in every epoch) and a fast path on cached tokens of the images as they are.
Source: paper, appendix A.2 (setup of Leopart).
"""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neco.config.evaluation import Extraction, Linear
from neco.data.dataset import IGNORED, Dataset
from neco.errors import UserError
from neco.evaluate.augment import AugmentedImages
from neco.evaluate.conditions import evaluation_device, state_conditions
from neco.evaluate.metrics import Score
from neco.evaluate.result import FULL_RESOLUTION, Result, metrics_of
from neco.evaluate.transforms import resize_bilinear, resize_nearest
from neco.features import Features, frozen_tokens
from neco.loading import loader
from neco.normalisation import IMAGENET, Normalisation

Batches = Iterator[tuple[Tensor, Tensor]]
"""Tokens (B, rows, columns, dim) and masks int64 (B, size, size), one epoch."""


def cached_batches(
    features: Features, dataset: Dataset, chosen: np.ndarray, settings: Linear, seed: int
) -> Iterator[Batches]:
    """Yield the epochs of the fast path: cached tokens in a new order each epoch."""
    size = settings.mask_size
    masks = np.stack([resize_nearest(dataset.items[i].read_mask(), size, size) for i in chosen])
    generator = np.random.default_rng([seed, 1])

    def epoch() -> Batches:
        order = generator.permutation(len(chosen))
        for start in range(0, len(order), settings.batch_size):
            picked = order[start : start + settings.batch_size]
            tokens = torch.from_numpy(features.tokens[chosen[picked]]).float()
            yield tokens, torch.from_numpy(masks[picked]).long()

    for _ in range(settings.epochs):
        yield epoch()


def augmented_batches(
    backbone: nn.Module,
    dataset: Dataset,
    chosen: np.ndarray,
    side: int,
    settings: Linear,
    extraction: Extraction,
    seed: int,
    device: torch.device,
    normalisation: Normalisation = IMAGENET,
) -> Iterator[Batches]:
    """Yield the epochs of the protocol: new crops through the frozen backbone each epoch."""
    subset = replace(dataset, items=[dataset.items[i] for i in chosen])

    def epoch(number: int) -> Batches:
        images = AugmentedImages(
            subset,
            side,
            settings.mask_size,
            (seed, number),
            crop_scale=settings.crop_scale,
            flip_probability=settings.flip_probability,
            normalisation=normalisation,
        )
        order = np.random.default_rng([seed, 1, number]).permutation(len(images)).tolist()
        made = loader(images, settings.batch_size, sampler=order, workers=extraction.workers)
        for batch, masks in made:
            yield frozen_tokens(backbone, batch), masks

    backbone.eval().to(device)
    for number in range(settings.epochs):
        yield epoch(number)


def fit(
    epochs: Iterator[Batches],
    dim: int,
    classes: int,
    settings: Linear,
    seed: int,
    device: torch.device,
) -> nn.Conv2d:
    """Return the trained 1x1 convolution (dim -> classes).

    The convolution runs on the token grid and its logits are interpolated: the same function as
    interpolating tokens first (both are linear, and bilinear weights sum to 1), at a tenth of the
    arithmetic.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = nn.Conv2d(dim, classes, kernel_size=1).to(device)
    optimiser = torch.optim.SGD(
        head.parameters(),
        lr=settings.learning_rate,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
    )
    schedule = torch.optim.lr_scheduler.StepLR(
        optimiser, settings.decay_epochs, settings.decay_factor
    )
    size = settings.mask_size
    for epoch in epochs:
        for tokens, masks in epoch:
            logits = head(tokens.to(device).permute(0, 3, 1, 2))  # (B, classes, rows, columns)
            loss = nn.functional.cross_entropy(
                resize_bilinear(logits, size, size), masks.to(device), ignore_index=IGNORED
            )
            if loss.isnan():  # no labelled pixel in the batch
                continue
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        schedule.step()
    return head


@torch.no_grad()
def scores(
    head: nn.Conv2d, val: Features, dataset: Dataset, settings: Linear, device: torch.device
) -> tuple[Score, Score | None]:
    """Return the confusions on masks of `mask_size`, and on masks as they are if asked for."""
    small = Score(dataset.classes, settings.absent, settings.bootstrap)
    full = Score(dataset.classes, settings.absent, settings.bootstrap)
    size = settings.mask_size
    for tokens, item in zip(val.tokens, dataset.items, strict=True):
        tensor = torch.from_numpy(np.array(tokens)).float().to(device)
        logits = head(tensor.permute(2, 0, 1)[None])  # (1, classes, rows, columns)
        mask = item.read_mask()
        small.update(_label_map(logits, size, size), resize_nearest(mask, size, size))
        if settings.full_resolution:
            full.update(_label_map(logits, *mask.shape), mask)
    return small, full if settings.full_resolution else None


def _label_map(logits: Tensor, height: int, width: int) -> np.ndarray:
    return resize_bilinear(logits, height, width)[0].max(dim=0).indices.cpu().numpy()


def evaluate(
    train: Features | None,
    train_dataset: Dataset,
    val: Features,
    val_dataset: Dataset,
    settings: Linear,
    *,
    backbone: nn.Module | None = None,
    extraction: Extraction | None = None,
    normalisation: Normalisation = IMAGENET,
    device: str | None = None,
) -> dict[str, Any]:
    """Return the metrics (see neco.evaluate.result) of a linear head.

    train: needed by the fast path (settings.augment false), backbone: by the protocol; the other
    of the two is not looked at. Raises UserError where one is missing or does not belong.
    """
    began = time.perf_counter()
    where = evaluation_device(device)
    val.matches(val_dataset)
    if settings.augment and backbone is None:
        raise UserError(
            "linear: augment is true, which sends images through the backbone, but none was given; "
            "name it and its weights, or set augment: false"
        )
    if not settings.augment:
        if train is None:
            raise UserError("linear: augment is false, which needs training features; extract them")
        train.matches(train_dataset)
        train.agrees(val)
    results: list[Result] = []
    count = max(round(settings.train_fraction * len(train_dataset)), 1)
    for seed in settings.seeds:
        generator = np.random.default_rng([seed, 0])
        chosen = np.sort(generator.permutation(len(train_dataset))[:count])
        if settings.augment:
            assert backbone is not None  # noqa: S101 (for mypy)
            epochs = augmented_batches(
                backbone,
                train_dataset,
                chosen,
                val.about["image_size"],
                settings,
                extraction or Extraction(),
                seed,
                where,
                normalisation,
            )
        else:
            assert train is not None  # noqa: S101 (for mypy)
            epochs = cached_batches(train, train_dataset, chosen, settings, seed)
        classes = len(val_dataset.classes)
        head = fit(epochs, val.tokens.shape[-1], classes, settings, seed, where)
        small, full = scores(head, val, val_dataset, settings, where)
        details = {"images": count, "augment": settings.augment}
        results.append(small.result("", seed, details))
        if full is not None:
            results.append(full.result(FULL_RESOLUTION, seed, details, mask_resolution="full"))
    conditions = state_conditions(
        val.about,
        val_dataset,
        settings,
        train=None if settings.augment or train is None else train.about,
        train_dataset=train_dataset,
        device=where,
        began=began,
        mask_resolution=f"{settings.mask_size}x{settings.mask_size}",
        seeds=settings.seeds,
        augment=settings.augment,
    )
    return metrics_of("linear", val, val_dataset, settings, results, "", conditions)
