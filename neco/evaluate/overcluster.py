"""Overclustering: features of a split come in, the metrics of matched clusters come out.

Source: paper, appendix A.2, with the settings of the released code. Where there are as many
clusters as classes, they are matched one to one (Hungarian on IoU). Of more clusters, each goes to
the class that most of its pixels have.
"""

import time

import numpy as np

from neco.config.overcluster import Overcluster
from neco.data.dataset import Dataset
from neco.errors import UserError
from neco.evaluate.clustering import kmeans, on_gpu, reduced_tokens
from neco.evaluate.conditions import evaluation_device, state_conditions
from neco.evaluate.matching import contingency, match_by_precision, match_one_to_one
from neco.evaluate.metrics import Tally, refuse_unknown_classes
from neco.evaluate.result import Metrics, Result, metrics_of
from neco.evaluate.subsets import whole_batches
from neco.features import Features
from neco.transforms import Resampling, resize_nearest, small_mask

IMAGES = 64
"""How many cluster maps are enlarged at a time."""


def cluster_maps(
    features: Features,
    clusters: int,
    settings: Overcluster,
    seed: int = 0,
    reduced: np.ndarray | None = None,
) -> np.ndarray:
    """Return the k-means cluster of every patch, int32 (images, rows, columns).

    reduced: what `reduced_tokens` returned for the features. Several K and seeds can share it.
    Raises UserError for more clusters than patches.
    """
    tokens = features.tokens
    _refuse_too_many(clusters, features)
    if reduced is None:
        reduced = reduced_tokens(tokens.reshape(-1, tokens.shape[-1]), settings.components)
    assigned = kmeans(
        reduced,
        clusters,
        iterations=settings.iterations,
        redos=settings.redos,
        seed=seed,
        points_per_cluster=settings.points_per_cluster,
    )
    return assigned.reshape(tokens.shape[:3])


def _refuse_too_many(clusters: int, features: Features) -> None:
    points = int(np.prod(features.tokens.shape[:3]))
    if clusters > points:
        raise UserError(
            f"overcluster.clusters {clusters}: more clusters than the {points} patches of the "
            "split; ask for fewer or use more images"
        )


def enlarged(maps: np.ndarray, size: int, at: Resampling = "centre") -> np.ndarray:
    """Return maps (..., rows, columns) at (..., size, size) by nearest neighbour."""
    return resize_nearest(maps, size, size, at)


def read_masks(dataset: Dataset, size: int, side: int, at: Resampling = "centre") -> np.ndarray:
    """Return all masks of a split, uint8 (images, size, size), by nearest neighbour.

    side: the input size in pixels, to which `floor` resizes masks first (see `small_mask`).
    Raises UserError for an id that is neither a class nor 255.
    """
    masks = np.empty((len(dataset), size, size), np.uint8)
    for number, item in enumerate(dataset.items):
        masks[number] = small_mask(item.read_mask(), size, side, at)
    refuse_unknown_classes(masks, len(dataset.classes), f"{dataset.folder}: a mask")
    return masks


def evaluate(
    val: Features,
    val_dataset: Dataset,
    settings: Overcluster,
) -> Metrics:
    """Return the metrics (see neco.evaluate.result) of overclustering on one split.

    All K and seeds share one reduction of the features. Raises UserError where features and
    dataset do not belong together.
    """
    began = time.perf_counter()
    val.matches(val_dataset)
    val, val_dataset = whole_batches(val, val_dataset, settings.whole_batches)
    for wanted in settings.clusters:  # before any of them is clustered
        _refuse_too_many(len(val_dataset.classes) if wanted == "classes" else wanted, val)
    side = val.about["image_size"]
    masks = read_masks(val_dataset, settings.mask_size, side, settings.resampling)
    tokens = val.tokens
    reduced = reduced_tokens(tokens.reshape(-1, tokens.shape[-1]), settings.components)
    results: list[Result] = []
    for wanted in settings.clusters:
        one_to_one = wanted == "classes"
        count = len(val_dataset.classes) if wanted == "classes" else wanted
        for seed in settings.seeds:
            maps = cluster_maps(val, count, settings, seed, reduced)
            results.append(
                _result(maps, masks, val_dataset, settings, count, one_to_one=one_to_one, seed=seed)
            )
    conditions = state_conditions(
        val.about,
        val_dataset,
        settings,
        device=evaluation_device(None if on_gpu() else "cpu"),
        began=began,
        mask_resolution=f"{settings.mask_size}x{settings.mask_size}",
        seeds=settings.seeds,
        search=f"faiss k-means, {settings.points_per_cluster or 'all'} points per cluster",
    )
    return metrics_of("overcluster", val, val_dataset, settings, results, conditions)


def _result(
    maps: np.ndarray,
    masks: np.ndarray,
    dataset: Dataset,
    settings: Overcluster,
    count: int,
    *,
    one_to_one: bool,
    seed: int,
) -> Result:
    """Return the result of cluster maps (images, rows, columns) and masks (images, size, size).

    Clusters are matched once, on all images, and the interval resamples images with that matching.
    """
    table = np.zeros((count, len(dataset.classes)), np.int64)
    for start in range(0, len(masks), IMAGES):
        some = slice(start, start + IMAGES)
        large = enlarged(maps[some], masks.shape[1], settings.resampling)
        table += contingency(large, masks[some], *table.shape)
    matched = match_one_to_one(table) if one_to_one else match_by_precision(table)
    score = Tally.of(dataset, settings)
    for image, mask in zip(maps, masks, strict=True):
        score.update(enlarged(matched[image], len(mask), settings.resampling), mask)
    details = {
        "clusters": count,
        "matching": "Hungarian on IoU" if one_to_one else "highest precision",
        "classes_matched": int(np.unique(matched).size),
    }
    return score.result("K=GT" if one_to_one else f"K={count}", seed, details)
