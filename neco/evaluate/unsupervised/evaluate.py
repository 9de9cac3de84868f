"""The protocol: segments of the held-out images, matched one to one to the classes.

Source: paper, sections 4.2 and B.1, appendix A.2. Two settings are reported: `CBFE`, where the
foreground is clustered into one cluster less than there are classes, and `K=21`, where its many
clusters are joined by communities.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neco.config.evaluation import Unsupervised
from neco.data.dataset import Dataset
from neco.evaluate.conditions import state_conditions
from neco.evaluate.matching import contingency, match_one_to_one
from neco.evaluate.metrics import Score
from neco.evaluate.overcluster import enlarged, read_masks
from neco.evaluate.result import Result, metrics_of
from neco.evaluate.unsupervised.search import search
from neco.evaluate.unsupervised.segment import (
    Foreground,
    cluster_foreground,
    detect_communities,
    extract_foreground,
    gather,
)
from neco.features import Features


def evaluate(
    train: Features,
    train_dataset: Dataset,
    val: Features,
    val_dataset: Dataset,
    attention: tuple[Tensor, Tensor],
    settings: Unsupervised,
    maps: Path | None = None,
) -> dict[str, Any]:
    """Return the metrics (see neco.evaluate.result) of unsupervised segmentation.

    attention: (images, 1, rows, columns) of the training and the held-out images.
    maps: where to keep the first seed's classes of the held-out images, uint8 (images, size, size).
    Raises UserError where features and datasets do not belong together.
    """
    began = time.perf_counter()
    train.matches(train_dataset)
    val.matches(val_dataset)
    masks = read_masks(val_dataset, settings.mask_size)
    patches = gather(train, val, attention, settings)
    held_out = slice(patches.train_images, None)
    classes = len(val_dataset.classes)
    details: dict[str, Any] = {}
    if settings.trials:
        first = extract_foreground(patches, settings, settings.seeds[0])
        labels = read_masks(train_dataset, settings.mask_size)

        def on_train(segments: np.ndarray) -> float:
            return _result(segments, labels, train_dataset, settings, "search", 0).mIoU

        found = search(patches, first, settings, on_train, settings.seeds[0])
        settings = found.settings
        details = {"searched": found.trials, "train_mIoU": found.train_miou}
    results: list[Result] = []
    for seed in settings.seeds:
        foreground = extract_foreground(patches, settings, seed)
        details |= {
            "foreground_threshold": foreground.threshold,
            "foreground_clusters": foreground.clusters,
            "foreground_patches": float(foreground.mask[held_out].mean()),
        }
        plain = cluster_foreground(patches, foreground, classes - 1, settings, seed) + 1
        clusters = cluster_foreground(patches, foreground, settings.clusters, settings, seed)
        joined = detect_communities(clusters, settings.clusters, settings, seed)
        for setting, segments in (("CBFE", plain), (f"K={classes}", joined)):
            more = {**details, "segments": int(np.unique(segments).size)}
            results.append(
                _result(segments[held_out], masks, val_dataset, settings, setting, seed, more)
            )
        if maps is not None and seed == settings.seeds[0]:
            _write_maps(joined[held_out], masks, val_dataset, maps)
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
    headline = f"K={classes}"
    return metrics_of("unsupervised", val, val_dataset, settings, results, headline, conditions)


def matched_classes(segments: np.ndarray, masks: np.ndarray, classes: int) -> np.ndarray:
    """Return the class of every cell, int64 (images, size, size); segments no class wants are 0.

    segments: int (images, rows, columns). masks: uint8 (images, size, size), 255 = ignored.
    """
    large = enlarged(segments, masks.shape[1])
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
    score = Score(dataset.classes, settings.absent, settings.bootstrap)
    for predicted, mask in zip(
        matched_classes(segments, masks, len(dataset.classes)), masks, strict=True
    ):
        score.update(predicted, mask)
    return score.result(setting, seed, {"matching": "Hungarian on IoU", **(details or {})})


def _write_maps(segments: np.ndarray, masks: np.ndarray, dataset: Dataset, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    found = matched_classes(segments, masks, len(dataset.classes)).astype(np.uint8)
    with path.open("wb") as file:
        np.savez_compressed(file, classes=found)


__all__ = ["Foreground", "evaluate", "matched_classes"]
