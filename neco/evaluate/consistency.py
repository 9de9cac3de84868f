"""Consistency: do two views of a place have the same nearest patches in other images?

A backbone and a split come in, and metrics come out. No labels are read. Every image is seen in two
views (crop, flip, colours). Both are aligned to the region where their crops overlap, as in the
loss. Each aligned place is then compared with reference patches of other images. There are two
numbers in percent: the share of the k nearest references that both views have in common, and
Spearman's rank correlation of all references in order of their cosines. Chance is k / references
for the first and 0 for the second. Views that are seen alike give 100.
"""

import time
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from neco.align import align, intersection
from neco.backbones.backbone import Backbone
from neco.config.consistency import Consistency
from neco.config.extraction import Extraction
from neco.config.training import Crops
from neco.data.dataset import Dataset
from neco.errors import UserError
from neco.evaluate.conditions import evaluation_device, state_conditions
from neco.evaluate.per_image import of_values
from neco.evaluate.result import Metrics, Result, metrics_of
from neco.features import device_of, frozen_tokens
from neco.loading import loader
from neco.normalisation import IMAGENET, Normalisation
from neco.transforms import input_side
from neco.views import MultiCropDataset, collate, draw_changes, recoloured

SHARED, CORRELATION = "shared neighbours", "rank correlation"
"""The two quantities. The second has the setting `order` in a metrics file."""


def evaluate(
    val_dataset: Dataset,
    settings: Consistency,
    *,
    backbone: Backbone,
    about: dict[str, Any] | None = None,
    extraction: Extraction | None = None,
    normalisation: Normalisation = IMAGENET,
    device: str | None = None,
) -> Metrics:
    """Return the metrics (see neco.evaluate.result) of the consistency of neighbours.

    about: what the caller knows of the model (`model`, `backbone`, `weights_digest`).
    Raises UserError where the split has fewer than two images, or fewer references than k.
    """
    began = time.perf_counter()
    where = evaluation_device(device)
    backbone.eval().to(where)
    side = input_side(settings.image_size, backbone.patch_size)
    count = min(settings.images, len(val_dataset))
    if count < 2:
        raise UserError(f"{val_dataset.folder}: consistency compares images; give it two or more")
    results = []
    for seed in settings.seeds:
        generator = np.random.default_rng([seed, 0])
        chosen = np.sort(generator.permutation(len(val_dataset))[:count])
        first, second = aligned_views(
            backbone, val_dataset, chosen, side, settings, seed,
            extraction or Extraction(), normalisation,
        )  # fmt: skip
        shared, correlation = compared(first, second, settings, generator)
        details = {"images": count, "references": settings.references}
        chance = round(100 * settings.neighbours / settings.references, 4)
        results += [
            _result("", SHARED, shared, settings, seed, {**details, "chance": chance}),
            _result("order", CORRELATION, correlation, settings, seed, {**details, "chance": 0.0}),
        ]
    seen = {**(about or {}), "image_size": side, "grid": [side // backbone.patch_size] * 2}
    conditions = state_conditions(
        seen, val_dataset, settings, device=where, began=began, mask_resolution="no masks",
        seeds=settings.seeds, augment=True, val_images=count, averaged_classes=None,
        search="exact cosines", exact=True,
    )  # fmt: skip
    return metrics_of("consistency", about or {}, val_dataset, settings, results, conditions)


def aligned_views(
    backbone: Backbone,
    dataset: Dataset,
    chosen: np.ndarray,
    side: int,
    settings: Consistency,
    seed: int,
    extraction: Extraction,
    normalisation: Normalisation = IMAGENET,
) -> tuple[Tensor, Tensor]:
    """Return the tokens of the same places in both views, on the CPU.

    Each is float32 (images, S*S, dim).

    chosen: indices of images. side: of a view, in pixels. The tokens of a flipped view are flipped
    back before they are aligned.
    """
    crops = Crops(global_count=2, local_count=0, global_size=side, global_scale=settings.crop_scale)
    device = device_of(backbone)
    images = loader(
        MultiCropDataset(dataset, crops, seed),
        extraction.batch_size,
        workers=extraction.workers,
        collate=collate,
        sampler=[(0, int(index)) for index in chosen],
        pin_memory=device.type == "cuda",
    )
    generator = torch.Generator().manual_seed(seed)
    aligned: list[list[Tensor]] = [[], []]
    for batch in images:
        boxes = batch.boxes.to(device)  # (B, 2, 4)
        region = intersection(boxes[:, 0], boxes[:, 1])
        pixels = batch.global_views.flatten(0, 1).to(device)  # (B * 2, 3, side, side)
        changed = recoloured(pixels, draw_changes(len(pixels), settings.photometric, generator))
        flipped = torch.rand(len(pixels), generator=generator) < settings.flip_probability
        turned = flipped.to(device)[:, None, None, None]
        views = torch.where(turned, changed.flip(3), changed)
        tokens = frozen_tokens(backbone, _renormalised(views, normalisation), extraction.precision)
        grids = torch.where(turned, tokens.flip(2), tokens).unflatten(0, (-1, 2))
        for view in (0, 1):
            places = align(grids[:, view], region, boxes[:, view], settings.aligned_size)
            aligned[view].append(places.cpu())
    return torch.cat(aligned[0]), torch.cat(aligned[1])


def _renormalised(views: Tensor, normalisation: Normalisation) -> Tensor:
    """Return views (N, 3, H, W), normalised for ImageNet, normalised for the backbone instead."""
    if normalisation == IMAGENET:
        return views
    (mean, std), (own_mean, own_std) = (
        (views.new_tensor(part)[:, None, None] for part in colours)
        for colours in (IMAGENET, normalisation)
    )
    return (views * std + mean - own_mean) / own_std


def compared(
    first: Tensor, second: Tensor, settings: Consistency, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return for each image the mean of both numbers over its places, each float64 (images,).

    first, second: (images, places, dim), the two views. References are drawn from the first views
    of all images. Each image is compared with those of the other images. Raises UserError where
    they are fewer than k.
    """
    images, places = first.shape[:2]
    drawn = generator.permutation(images * places)[: settings.references]
    references, owner = first.flatten(0, 1)[drawn], torch.from_numpy(drawn // places)
    shared, correlation = np.empty(images), np.empty(images)
    for image in range(images):
        others = references[owner != image]
        if len(others) <= settings.neighbours:
            raise UserError(
                f"consistency: {len(others)} references of other images for neighbours "
                f"{settings.neighbours}; use more images or references, or fewer neighbours"
            )
        found = agreement(first[image], second[image], others, settings.neighbours)
        shared[image], correlation[image] = (float(part.mean()) for part in found)
    return shared, correlation


def agreement(first: Tensor, second: Tensor, references: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return what two views of the same places have in common, each float32 (places,).

    first, second: (places, dim). references: (R, dim), with R > k. Returns the share of the k
    nearest references that both have in common, 0 to 1, and Spearman's rank correlation of all R,
    -1 to 1.
    """
    against = normalize(references, dim=-1).T
    cosines = torch.stack([normalize(view, dim=-1) @ against for view in (first, second)])
    ranks = cosines.argsort(dim=-1, descending=True).argsort(dim=-1)  # (2, places, R), 0 = nearest
    shared = (ranks < k).all(dim=0).sum(dim=-1) / k
    count = len(references)
    apart = (ranks[0] - ranks[1]).double().square().sum(dim=-1)
    return shared, (1 - 6 * apart / (count * (count**2 - 1))).float()


def _result(
    setting: str,
    quantity: str,
    numbers: np.ndarray,
    settings: Consistency,
    seed: int,
    details: dict[str, Any],
) -> Result:
    """Return the mean of `numbers` (images,) in percent, with its bootstrap interval."""
    interval = None
    if settings.bootstrap:
        generator = np.random.default_rng(0)
        means = [generator.choice(numbers, len(numbers)).mean() for _ in range(settings.bootstrap)]
        low, high = np.quantile(means, [0.025, 0.975])
        interval = (round(100 * float(low), 4), round(100 * float(high), 4))
    mean = round(100 * float(numbers.mean()), 4)
    found = Result(
        setting=setting, seed=seed, mIoU=mean, quantity=quantity, interval=interval, details=details
    )
    found._parts = of_values(numbers)
    return found
