"""In-context segmentation: a patch takes its label from the nearest training patches.

Features of two splits come in, or a backbone for augmented images; metrics come out. Source: paper,
appendix A.2 (Hummingbird's protocol), in the form of open-hummingbird-eval. The nearest neighbours
are exact here unless the settings say otherwise.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import nn

from neco.config.extraction import Extraction
from neco.config.in_context import InContext
from neco.data.dataset import IGNORED, Dataset
from neco.errors import UserError
from neco.evaluate.conditions import evaluation_device, state_conditions
from neco.evaluate.matching import match_one_to_one
from neco.evaluate.metrics import Tally, confusion
from neco.evaluate.patch_labels import PatchLabels, read_patch_labels, transfer_labels
from neco.evaluate.result import Metrics, Result, metrics_of
from neco.evaluate.search.backends import Search, build_search, recall, refuse_missing
from neco.evaluate.search.bank import Bank, unit_length
from neco.evaluate.search.exact import ExactSearch
from neco.evaluate.search.fill_bank import fill_augmented_bank, fill_bank
from neco.evaluate.subsets import balanced_subset, random_subset, subset_size
from neco.features import Features
from neco.normalisation import IMAGENET, Normalisation, normalisation_of
from neco.transforms import resize_bilinear, resize_nearest

QUERIES = 32_768
"""For how many patches neighbours are searched at a time."""


def soft_labels(
    tokens: np.ndarray, search: Search, soft: csr_matrix, settings: InContext
) -> np.ndarray:
    """Return the soft labels of tokens, float32 (images, rows, columns, classes).

    tokens: (images, rows, columns, dim). search: finds neighbours in the bank. soft: the labels of
    the bank's keys, (N, classes).
    """
    queries = unit_length(tokens.reshape(-1, tokens.shape[-1]))
    cosines, neighbours = search.search(queries, min(settings.neighbours, soft.shape[0]))
    labels = transfer_labels(cosines, neighbours, soft, settings.temperature)
    return labels.reshape(*tokens.shape[:3], -1)


def label_map(soft: np.ndarray, classes: int, height: int, width: int) -> np.ndarray:
    """Return the predicted classes, uint8 (height, width), of soft labels (rows, columns, classes).

    Soft labels are interpolated bilinearly, and the largest one is taken. Only classes that some
    patch holds are interpolated, because the others are zero everywhere. Where soft labels have a
    column of unlabelled pixels, it becomes 255.
    """
    held = np.flatnonzero(soft.any(axis=(0, 1)))
    scores = torch.from_numpy(np.ascontiguousarray(soft[:, :, held].transpose(2, 0, 1)))
    enlarged = resize_bilinear(scores[None], height, width)[0]  # (held, height, width)
    names = np.where(held < classes, held, IGNORED).astype(np.uint8)
    return names[enlarged.max(dim=0).indices.numpy()]  # ten times argmax's speed


def predict(
    train: Features,
    train_dataset: Dataset,
    val: Features,
    val_dataset: Dataset,
    chosen: list[int],
    settings: InContext,
    device: str | None = None,
) -> list[np.ndarray]:
    """Return the predicted classes, uint8 (H, W), of some held-out images.

    chosen: their indices. The bank holds all training images. They are never augmented here,
    whatever the settings say. In datasets without background, a pixel is 255 where the nearest
    patches are unlabelled.
    """
    train.matches(train_dataset)
    val.matches(val_dataset)
    train.agrees(val)
    labels = _labels(val, train_dataset, settings)
    images = np.arange(len(train_dataset))
    bank = fill_bank(train, labels, images, settings.memory_size, settings.seeds[0])
    search = build_search(bank, settings, evaluation_device(device))
    soft = soft_labels(val.tokens[chosen], search, bank.soft, settings)
    sizes = [val_dataset.items[index].read_mask().shape for index in chosen]
    return [
        label_map(labels, len(val_dataset.classes), *size)
        for labels, size in zip(soft, sizes, strict=True)
    ]


def evaluate(
    train: Features | None,
    train_dataset: Dataset,
    val: Features,
    val_dataset: Dataset,
    settings: InContext,
    device: str | None = None,
    bank_folder: Path | None = None,
    *,
    backbone: nn.Module | None = None,
    extraction: Extraction | None = None,
    normalisation: Normalisation = IMAGENET,
) -> Metrics:
    """Return the metrics (see neco.evaluate.result) of in-context segmentation.

    train: training features, which are needed unless `augmentation` asks for augmented images.
    backbone: needed where it does. normalisation: what the backbone expects.
    device: where neighbours are searched. None is the GPU where there is one.
    bank_folder: where a memory-mapped bank is written. None is TMPDIR if `mapped` is set, and else
    memory. Raises UserError where features and datasets do not belong together, or one is missing.
    """
    began = time.perf_counter()
    where = evaluation_device(device)
    val.matches(val_dataset)
    if settings.augmentation.epochs:
        train = None
    _refuse_unfit(train, train_dataset, val, settings, backbone)
    refuse_missing(settings)
    if bank_folder is None and settings.mapped:
        bank_folder = Path(tempfile.gettempdir())
    labels = _labels(val, train_dataset, settings)

    def bank_of(images: np.ndarray, seed: int) -> Bank:
        if train is not None:
            return fill_bank(train, labels, images, settings.memory_size, seed, bank_folder)
        assert backbone is not None  # noqa: S101 (for mypy)
        return fill_augmented_bank(
            backbone,
            train_dataset,
            val.about["image_size"],
            images,
            settings,
            seed,
            extraction=extraction or Extraction(),
            normalisation=normalisation_of(settings.colours, normalisation),
            folder=bank_folder,
        )

    results: list[Result] = []
    recalls: list[float] = []
    patches = 0
    name, exact = "", True
    for denominator in settings.fractions:
        seeds = settings.seeds if denominator > 1 else settings.seeds[:1]
        for seed in seeds:
            images = _subset(labels, len(train_dataset), denominator, seed, settings)
            bank = bank_of(images, seed)
            search = build_search(bank, settings, where)
            details: dict[str, Any] = {
                "images": len(images),
                "patches": len(bank),
                "images_per_class": labels.present[images].sum(axis=0).tolist(),
            }
            if not search.exact:
                details |= agreement(val, val_dataset, search, bank, settings, where)
                recalls.append(details["recall"])
            score, matching = _score(val, val_dataset, search, bank, settings)
            results.append(score.result(f"1/{denominator}", seed, details | matching))
            if len(bank) > patches:  # a backend may search small banks in another way
                patches, name, exact = len(bank), search.name, search.exact
    conditions = state_conditions(
        val.about,
        val_dataset,
        settings,
        train=None if train is None else train.about,
        train_dataset=train_dataset,
        device=where,
        began=began,
        mask_resolution="full" if settings.mask_size == "full" else str(val.about["image_size"]),
        seeds=settings.seeds,
        search=name,
        exact=exact,
        recall=min(recalls, default=None),
        memory_patches=patches,
        augment=True if settings.augmentation.epochs else None,
    )
    return metrics_of("in-context", val, val_dataset, settings, results, conditions)


def _refuse_unfit(
    train: Features | None,
    train_dataset: Dataset,
    val: Features,
    settings: InContext,
    backbone: nn.Module | None,
) -> None:
    """Raise UserError unless the bank can be filled, with tokens that fit the held-out features."""
    if val.about.get("colours", "backbone") != settings.colours:
        raise UserError(
            f"in-context: colours is '{settings.colours}', but the features are of images with "
            f"'{val.about.get('colours', 'backbone')}' colours; extract them again with "
            f"--colours {settings.colours}"
        )
    if settings.augmentation.epochs:
        if backbone is None:
            raise UserError(
                "in-context: augmentation.epochs is set, which sends images through the backbone, "
                "but none was given; name it and its weights, or set augmentation.epochs: 0"
            )
        return
    if train is None:
        raise UserError(
            "in-context: without augmentation the memory bank is made of training features, but "
            "none were given; extract them"
        )
    train.matches(train_dataset)
    train.agrees(val)


def _subset(
    labels: PatchLabels, images: int, denominator: int, seed: int, settings: InContext
) -> np.ndarray:
    """Return the training images that a share of 1 / denominator keeps, ascending."""
    if denominator == 1:
        return np.arange(images)
    if settings.subsets == "random":
        return random_subset(images, denominator, seed)
    return balanced_subset(labels.present, subset_size(images, denominator), seed)


def _labels(features: Features, dataset: Dataset, settings: InContext) -> PatchLabels:
    side, patch_size = features.about["image_size"], features.about["patch_size"]
    return read_patch_labels(dataset, side, patch_size, settings.resampling)


def _score(
    val: Features,
    dataset: Dataset,
    search: Search,
    bank: Bank,
    settings: InContext,
    images: int | None = None,
) -> tuple[Tally, dict[str, Any]]:
    """Return the score of a whole split, or of its first images, and details of its matching."""
    score = Tally.of(dataset, settings)
    tables: list[csr_matrix] = []
    side = val.about["image_size"]
    step = max(QUERIES // int(np.prod(val.tokens.shape[1:3])), 1)
    images = len(dataset) if images is None else min(images, len(dataset))
    for start in range(0, images, step):
        some = slice(start, min(start + step, images))
        soft = soft_labels(val.tokens[some], search, bank.soft, settings)
        for labels, item in zip(soft, dataset.items[some], strict=True):
            mask = item.read_mask()
            if settings.mask_size == "input":
                mask = resize_nearest(mask, side, side, settings.resampling)
            maps = label_map(labels, len(dataset.classes), *mask.shape)
            score.update(maps, mask)
            if settings.matching == "hungarian":
                tables.append(csr_matrix(confusion(maps, mask, len(dataset.classes))))
    return _matched(score, tables, dataset, settings) if tables else (score, {})


def _matched(
    score: Tally, tables: list[csr_matrix], dataset: Dataset, settings: InContext
) -> tuple[Tally, dict[str, Any]]:
    """Return the score with predicted classes matched to classes, and details of the matching.

    tables: each image's confusion. Classes are matched once, on all images, and the interval
    resamples images with that matching. The details have the mIoU without matching.
    """
    partners = best_partners(score.table)
    matched = Tally.of(dataset, settings)
    for table in tables:
        matched.add(table.toarray()[:, partners])
    before = score.result("", 0).mIoU
    return matched, {"matching": "Hungarian on IoU", "mIoU_unmatched": before}


def best_partners(table: np.ndarray) -> np.ndarray:
    """Return which class each predicted class counts as, one to one, int64 (classes + 1,).

    table: (classes, classes + 1), pixels by (true, predicted); the last column is unlabelled.
    Source: open-hummingbird-eval, which matches by IoU.
    """
    square = np.vstack([table, np.zeros_like(table[:1])])
    return np.argsort(match_one_to_one(square.T))


def agreement(
    val: Features,
    dataset: Dataset,
    search: Search,
    bank: Bank,
    settings: InContext,
    device: torch.device,
) -> dict[str, Any]:
    """Return how an approximate search differs from the exact one on a split's first images.

    `recall` is the share of the true neighbours that it finds, 0 to 1. `mIoU_change` is its mIoU
    less that of the exact search, in points. `sample_images` says how many images were searched.
    They have about as many patches as the setting `recall_sample` says.
    """
    patches = int(np.prod(val.tokens.shape[1:3]))
    images = min(-(-settings.recall_sample // patches), len(dataset))
    exact = ExactSearch(bank, device)
    queries = unit_length(val.tokens[:images].reshape(-1, val.tokens.shape[-1]))
    k = min(settings.neighbours, len(bank))
    mine, true = (
        _score(val, dataset, backend, bank, settings, images)[0].result("", 0).mIoU
        for backend in (search, exact)
    )
    return {
        "recall": round(recall(search.search(queries, k)[1], exact.search(queries, k)[1]), 5),
        "mIoU_change": round(mine - true, 4),
        "sample_images": images,
    }
