"""Linear segmentation: a 1x1 convolution on frozen patch tokens is trained and scored.

Training images and held-out features come in, and metrics come out. The protocol augments training
images and sends them through the backbone in every epoch. The fast path reads cached tokens of the
images as they are instead. The conditions say which of the two it was (`augment`). Source: paper,
appendix A.2 (setup of Leopart).
"""

import copy
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neco.config.extraction import Extraction
from neco.config.linear import Linear
from neco.data.dataset import IGNORED, Dataset
from neco.errors import UserError
from neco.evaluate.augment import AugmentedImages
from neco.evaluate.conditions import evaluation_device, state_conditions
from neco.evaluate.metrics import Tally
from neco.evaluate.result import FULL_RESOLUTION, Metrics, Result, metrics_of
from neco.evaluate.subsets import whole_batches
from neco.features import Features, frozen_tokens
from neco.loading import loader
from neco.normalisation import IMAGENET, Normalisation
from neco.precision import full_float32
from neco.transforms import resize_bilinear, small_mask

BEST_EPOCH, LAST_EPOCH = "best epoch", "last epoch"
"""The settings of a metrics file that have the epoch that is not the reported one."""
IMAGES = {"cpu": 4, "cuda": 64}
"""How many held-out images are scored at a time."""
Batches = Iterator[tuple[Tensor, Tensor]]
"""The batches of one epoch: tokens (B, rows, columns, dim) and masks int64 (B, size, size)."""


def cached_batches(
    features: Features, dataset: Dataset, chosen: np.ndarray, settings: Linear, seed: int
) -> Iterator[Batches]:
    """Yield the epochs of the fast path, with cached tokens of the images as they are.

    chosen: indices of the images that are trained on.
    """
    size, side = settings.mask_size, features.about["image_size"]
    masks = np.stack(
        [small_mask(dataset.items[i].read_mask(), size, side, settings.resampling) for i in chosen]
    )
    generator = np.random.default_rng([seed, 1])

    def epoch() -> Batches:
        order = generator.permutation(len(chosen)) if settings.shuffle else np.arange(len(chosen))
        for start in range(0, _trained_on(len(order), settings), settings.batch_size):
            picked = order[start : start + settings.batch_size]
            tokens = torch.from_numpy(features.tokens[chosen[picked]]).float()
            yield tokens, torch.from_numpy(masks[picked]).long()

    for _ in range(settings.epochs):
        yield epoch()


def _trained_on(images: int, settings: Linear) -> int:
    """Return how many images of an epoch are trained on."""
    return images // settings.batch_size * settings.batch_size if settings.drop_last else images


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
    """Yield the epochs of the protocol, in each of which new crops go through the frozen backbone.

    chosen: indices of the images that are trained on. side: of the views, in pixels.
    """
    subset = replace(dataset, items=[dataset.items[i] for i in chosen])

    def epoch(number: int) -> Batches:
        images = AugmentedImages(
            subset,
            side,
            settings.mask_size,
            (seed, number),
            crop_scale=settings.crop_scale,
            flip_probability=settings.flip_probability,
            resampling=settings.resampling,
            through=side if settings.resampling == "floor" else None,
            normalisation=normalisation,
        )
        order = np.arange(len(images))
        if settings.shuffle:
            order = np.random.default_rng([seed, 1, number]).permutation(len(images))
        made = loader(
            images,
            settings.batch_size,
            sampler=order.tolist(),
            workers=extraction.workers,
            drop_last=settings.drop_last,
            pin_memory=device.type == "cuda",
        )
        for batch, masks in made:
            yield frozen_tokens(backbone, batch, extraction.precision), masks

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
) -> Iterator[nn.Conv2d]:
    """Yield the 1x1 convolution (dim -> classes) after every epoch. Each epoch changes it in place.

    The convolution runs on the grid of tokens, and its logits are interpolated. To interpolate the
    tokens first would give the same numbers, because both steps are linear and bilinear weights sum
    to 1, but it would take ten times the arithmetic.
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
        optimiser, settings.decay_epochs or settings.epochs, settings.decay_factor
    )
    size = settings.mask_size
    for epoch in epochs:
        for tokens, masks in epoch:
            if (masks == IGNORED).all():  # nothing to learn; asked on the CPU, a GPU need not wait
                continue
            with full_float32():
                logits = head(tokens.to(device).permute(0, 3, 1, 2))  # (B, classes, rows, columns)
                loss = nn.functional.cross_entropy(
                    resize_bilinear(logits, size, size), masks.to(device), ignore_index=IGNORED
                )
                optimiser.zero_grad()
                loss.backward()
            optimiser.step()
        schedule.step()
        if not head.weight.isfinite().all():
            raise UserError(
                "linear: the head's weights are no longer finite; look whether the features are, "
                "and lower linear.learning_rate"
            )
        yield head


@torch.no_grad()
def scores(
    head: nn.Conv2d,
    val: Features,
    dataset: Dataset,
    settings: Linear,
    device: torch.device,
    masks: np.ndarray | None = None,
) -> tuple[Tally, Tally | None]:
    """Return the score on masks of `mask_size`, and the one on masks of the images' own size.

    The second is None unless `full_resolution` is set. masks: what `small_masks` returned, where
    the same masks are compared with again and again.
    """
    small = Tally.of(dataset, settings)
    full = Tally.of(dataset, settings)
    size = settings.mask_size
    for start in range(0, len(dataset), IMAGES[device.type]):
        some = slice(start, start + IMAGES[device.type])
        part = replace(dataset, items=dataset.items[some])
        tokens = torch.from_numpy(np.array(val.tokens[some])).to(device).float()
        with full_float32():
            logits = head(tokens.permute(0, 3, 1, 2))  # (B, classes, rows, columns)
        read = small_masks(val, part, settings) if masks is None else masks[some]
        for labels, mask in zip(_label_maps(logits, size, size), read, strict=True):
            small.update(labels, mask)
        if settings.full_resolution:
            for image, item in zip(logits.split(1), part.items, strict=True):
                mask = item.read_mask()
                full.update(_label_maps(image, *mask.shape)[0], mask)
    return small, full if settings.full_resolution else None


def small_masks(val: Features, dataset: Dataset, settings: Linear) -> np.ndarray:
    """Return the masks of a split at `mask_size`, uint8 (images, size, size)."""
    size, side = settings.mask_size, val.about["image_size"]
    return np.stack(
        [small_mask(item.read_mask(), size, side, settings.resampling) for item in dataset.items]
    )


def _label_maps(logits: Tensor, height: int, width: int) -> np.ndarray:
    """Return the largest logit's class at another size, int16 (B, height, width)."""
    largest = resize_bilinear(logits, height, width).max(dim=1).indices
    return largest.to(torch.int16).cpu().numpy()


def _results(
    heads: Iterator[nn.Conv2d],
    val: Features,
    dataset: Dataset,
    settings: Linear,
    seed: int,
    device: torch.device,
    details: dict[str, Any],
) -> list[Result]:
    """Return the results of the reported epoch at both resolutions, then of the other epoch.

    The two epochs are the last one and the best one. The best one is chosen by the held-out mIoU.
    So it is chosen by the labels that it is scored on.
    """
    quick = settings.model_copy(update={"bootstrap": 0, "full_resolution": False})
    masks = small_masks(val, dataset, settings)
    curve: list[float] = []
    best = head = None
    for head in heads:
        curve.append(scores(head, val, dataset, quick, device, masks)[0].result("", seed).mIoU)
        if curve[-1] == max(curve) and curve.count(curve[-1]) == 1:
            best = copy.deepcopy(head)
    assert best is not None and head is not None  # noqa: S101 (for mypy)
    about_best = {**details, "epoch": 1 + curve.index(max(curve)), "best_of_epochs": len(curve)}
    about_last = {**details, "epoch": len(curve)}
    shown, other = (best, about_best, BEST_EPOCH), (head, about_last, LAST_EPOCH)
    if settings.reported == "last":
        shown, other = other, shown
    small, full = scores(shown[0], val, dataset, settings, device, masks)
    results = [small.result("", seed, {**shown[1], "curve": curve})]
    if full is not None:
        results.append(full.result(FULL_RESOLUTION, seed, shown[1], mask_resolution="full"))
    beside = settings.model_copy(update={"full_resolution": False})
    results.append(
        scores(other[0], val, dataset, beside, device, masks)[0].result(other[2], seed, other[1])
    )
    return results


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
) -> Metrics:
    """Return the metrics (see neco.evaluate.result) of a linear head.

    train: training features, which are needed if `augment` is false (the fast path). backbone:
    needed if `augment` is true (the protocol). normalisation: what the backbone expects. Raises
    UserError where the needed one is missing or does not fit.
    """
    began = time.perf_counter()
    where = evaluation_device(device)
    val.matches(val_dataset)
    val, val_dataset = whole_batches(val, val_dataset, settings.whole_batches)
    if settings.augment and backbone is None:
        raise UserError(
            "linear: augment is true, which sends images through the backbone, but none was given; "
            "name it and its weights, or set augment: false"
        )
    if not settings.augment:
        if train is None:
            raise UserError(
                "linear: augment is false, which needs training features, but none were given; "
                "extract them"
            )
        train.matches(train_dataset)
        train.agrees(val)
    results: list[Result] = []
    count = max(round(settings.train_fraction * len(train_dataset)), 1)
    if not _trained_on(count, settings):
        raise UserError(
            f"linear: drop_last leaves none of {count} training images, as a batch is "
            f"{settings.batch_size}; set batch_size lower, or drop_last: false"
        )
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
        heads = fit(epochs, val.tokens.shape[-1], classes, settings, seed, where)
        more = {"images": count, "augment": settings.augment}
        results += _results(heads, val, val_dataset, settings, seed, where, more)
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
    return metrics_of("linear", val, val_dataset, settings, results, conditions)
