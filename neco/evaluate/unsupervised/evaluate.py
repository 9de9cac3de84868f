"""Unsupervised segmentation as a protocol: features and attention come in, metrics come out.

Segments of the held-out images are matched one to one to the classes. Two settings fill Tables 1b
and 6. In `CBFE` the foreground is clustered into one cluster less than there are classes. In `K=21`
it is clustered into many clusters, which communities join. Source: paper, sections 4.2 and B.1,
appendix A.2.
"""

import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neco.config.unsupervised import Unsupervised
from neco.data.dataset import Dataset
from neco.evaluate.conditions import state_conditions
from neco.evaluate.matching import contingency, match_one_to_one
from neco.evaluate.metrics import Tally
from neco.evaluate.overcluster import IMAGES, enlarged, read_masks
from neco.evaluate.result import Metrics, Result, metrics_of
from neco.evaluate.unsupervised.communities import imported_infomap
from neco.evaluate.unsupervised.parameters import (
    Clustered,
    imported_optuna,
    search,
    segments_of,
)
from neco.evaluate.unsupervised.segment import (
    Foreground,
    Patches,
    cluster_foreground,
    extract_foreground,
    gather,
    neighbour_shares,
)
from neco.features import Features
from neco.files import opened_whole
from neco.transforms import Resampling


def evaluate(
    train: Features,
    train_dataset: Dataset,
    val: Features,
    val_dataset: Dataset,
    attention: tuple[Tensor, Tensor],
    settings: Unsupervised,
    maps: Path | None = None,
) -> Metrics:
    """Return the metrics (see neco.evaluate.result) of unsupervised segmentation.

    attention: (images, 1, rows, columns) of the training and the held-out images.
    maps: a file for the predicted classes of the held-out images, uint8 (images, size, size). They
    are those of the reported seed, or of the first seed where the mean is reported. Raises
    UserError where features and datasets do not belong together.
    """
    began = time.perf_counter()
    train.matches(train_dataset)
    val.matches(val_dataset)
    train.agrees(val)
    imported_infomap()  # what is missing is told before minutes of clustering
    if settings.trials:
        imported_optuna()
    side = val.about["image_size"]
    masks = read_masks(val_dataset, settings.mask_size, side, settings.resampling)
    train_masks = read_masks(train_dataset, settings.mask_size, side, settings.resampling)
    patches = gather(train, val, attention, settings)
    held_out = slice(patches.train_images, None)
    classes = len(val_dataset.classes)

    def clustering_seed(seed: int) -> int:
        return seed if settings.clustering_seed is None else settings.clustering_seed

    @cache
    def foreground(seed: int) -> Foreground:
        return extract_foreground(patches, settings, seed, train_masks)

    details: dict[str, Any] = {}
    if settings.trials:
        seed = clustering_seed(settings.seeds[0])

        @cache
        def clustered(count: int) -> Clustered:
            return _clustered(
                patches, foreground(seed), count, settings, seed, train_masks, classes
            )

        found = search(clustered, settings)
        settings = found.settings
        details = {
            "searched": found.trials,
            "refused": found.refused,
            "train_mIoU": found.train_miou,
        }
    results: list[Result] = []
    for seed in settings.foreground_seeds:
        looked = foreground(clustering_seed(seed))
        plain = cluster_foreground(patches, looked, classes - 1, settings, seed)[held_out]
        more = _about(looked, held_out)
        results.append(_result(plain, masks, val_dataset, settings, "CBFE", seed, more))

    @cache
    def joined(seed: int) -> tuple[np.ndarray, np.ndarray]:
        clusters = cluster_foreground(patches, foreground(seed), settings.clusters, settings, seed)
        return clusters[held_out], neighbour_shares(clusters, settings.clusters, settings)

    def segments(seed: int) -> np.ndarray:
        clusters, together = joined(clustering_seed(seed))
        return segments_of(together, settings, seed)[clusters]

    headline = f"K={classes}"
    every: list[Result] = []
    for seed in settings.seeds:
        found_segments = segments(seed)
        more = details | _about(foreground(clustering_seed(seed)), held_out)
        more["segments"] = int(np.unique(found_segments).size)
        every.append(_result(found_segments, masks, val_dataset, settings, headline, seed, more))
    best = max(every, key=lambda result: result.mIoU)
    results += reported(every, best, settings, headline)
    if maps is not None:
        shown = best.seed if settings.reported == "best" else settings.seeds[0]
        _write_maps(segments(shown), masks, val_dataset, settings, maps)
    conditions = state_conditions(
        val.about,
        val_dataset,
        settings,
        device=torch.device("cpu"),
        began=began,
        train=train.about,
        train_dataset=train_dataset,
        mask_resolution=f"{settings.mask_size}x{settings.mask_size}",
        seeds=settings.seeds,
        search="faiss k-means, infomap",
    )
    return metrics_of("unsupervised", val, val_dataset, settings, results, conditions)


def reported(
    every: list[Result], best: Result, settings: Unsupervised, headline: str
) -> list[Result]:
    """Return the results under the settings by which tables find the reported one.

    The best seed was chosen by the labels that it is scored on. So its details say from how many
    seeds it was chosen.
    """
    if settings.reported == "mean":
        return [*every, best.model_copy(update={"setting": f"{headline}, best seed"})]
    chosen = {**best.details, "best_of_seeds": len(every)}
    return [
        best.model_copy(update={"details": chosen}),
        *(result.model_copy(update={"setting": f"{headline}, all seeds"}) for result in every),
    ]


def _clustered(
    patches: Patches,
    foreground: Foreground,
    count: int,
    settings: Unsupervised,
    seed: int,
    masks: np.ndarray,
    classes: int,
) -> Clustered:
    """Return what the search needs of the clustering into `count` clusters.

    masks: those of the training images, uint8 (images, size, size).
    """
    clusters = cluster_foreground(patches, foreground, count, settings, seed)
    table = np.zeros((count + 1, classes), np.int64)
    for start in range(0, len(masks), IMAGES):
        some = slice(start, min(start + IMAGES, len(masks)))
        large = enlarged(clusters[some], masks.shape[1], settings.resampling)
        table += contingency(large, masks[some], *table.shape)
    return Clustered(neighbour_shares(clusters, count, settings), table)


def _about(foreground: Foreground, held_out: slice) -> dict[str, Any]:
    return {
        "foreground_threshold": foreground.threshold,
        "foreground_clusters": foreground.clusters,
        "foreground_patches": float(foreground.mask[held_out].mean()),
    }


def matched_classes(
    segments: np.ndarray, masks: np.ndarray, classes: int, at: Resampling = "centre"
) -> np.ndarray:
    """Return the class of every cell, int64 (images, size, size). Unmatched segments are class 0.

    segments: int (images, rows, columns). masks: uint8 (images, size, size), 255 = ignored.
    """
    large = enlarged(segments, masks.shape[1], at)
    table = contingency(large, masks, int(segments.max()) + 1, classes)
    return match_one_to_one(table)[large]


def _result(
    segments: np.ndarray,
    masks: np.ndarray,
    dataset: Dataset,
    settings: Unsupervised,
    setting: str,
    seed: int,
    details: dict[str, Any] | None = None,
) -> Result:
    score = Tally.of(dataset, settings)
    matched = matched_classes(segments, masks, len(dataset.classes), settings.resampling)
    for predicted, mask in zip(matched, masks, strict=True):
        score.update(predicted, mask)
    return score.result(setting, seed, {"matching": "Hungarian on IoU", **(details or {})})


def _write_maps(
    segments: np.ndarray, masks: np.ndarray, dataset: Dataset, settings: Unsupervised, path: Path
) -> None:
    matched = matched_classes(segments, masks, len(dataset.classes), settings.resampling)
    with opened_whole(path, "wb") as file:
        np.savez_compressed(file, classes=matched.astype(np.uint8))
