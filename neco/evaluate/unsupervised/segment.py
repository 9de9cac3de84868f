"""From the features of two splits to segments: foreground, its clusters, communities of clusters.

As in the released code, features count as enlarged to 100 x 100 cells by nearest neighbour. They
are never held so, since for VOC they would take 5.8 GB. All cells of a patch are in the same
cluster. So patches are clustered with the number of their cells as weight, and only maps of
clusters are enlarged, when cells are counted.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from neco.config.unsupervised import Unsupervised
from neco.evaluate.clustering import kmeans, reduced_tokens
from neco.evaluate.overcluster import enlarged
from neco.evaluate.unsupervised.communities import co_occurrence, neighbourhood
from neco.evaluate.unsupervised.foreground import (
    cluster_precision,
    threshold_by_attention,
    threshold_by_labels,
)
from neco.features import Features
from neco.foreground import foreground_mask
from neco.transforms import Resampling, nearest_index

POINTS_PER_CLUSTER = 256
"""From how many cells for each cluster k-means finds its centroids. It is faiss's default."""


@dataclass(frozen=True)
class Patches:
    """The patches of the training and held-out images, training images first."""

    reduced: np.ndarray
    """float32 (patches, components), after standardisation and PCA."""
    marked: np.ndarray
    """bool (images, rows, columns): the patches that attention marks."""
    train_images: int

    @property
    def shape(self) -> tuple[int, ...]:
        return self.marked.shape


@dataclass(frozen=True)
class Foreground:
    """Which patches are foreground."""

    mask: np.ndarray
    """bool (images, rows, columns)"""
    threshold: float
    """The precision from which clusters are foreground."""
    clusters: int
    """How many clusters of patches are foreground in the held-out images."""


def gather(
    train: Features, val: Features, attention: tuple[Tensor, Tensor], settings: Unsupervised
) -> Patches:
    """Return the patches of both splits. attention: that of each, (images, 1, rows, columns)."""
    dim = train.tokens.shape[-1]
    tokens = np.concatenate([part.tokens.reshape(-1, dim) for part in (train, val)])
    masks = [foreground_mask(part, settings.attention_mass).numpy() for part in attention]
    reduced = reduced_tokens(tokens, settings.components)
    return Patches(reduced, np.concatenate(masks), len(train.tokens))


def extract_foreground(
    patches: Patches, settings: Unsupervised, seed: int, labels: np.ndarray
) -> Foreground:
    """Return the foreground by clusters (CBFE).

    A cluster's precision is computed for each split. So a cluster can be foreground in one split
    and background in the other. The threshold is chosen on the training images.

    labels: those of the training images, uint8 (images, size, size), 0 = background. They are read
    only if the threshold is chosen by labels.
    """
    points = patches.reduced
    if settings.unit_length:
        points = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)
    count = settings.foreground_clusters
    clusters = kmeans(
        points,
        count,
        iterations=settings.iterations,
        redos=settings.redos,
        seed=seed,
        spherical=True,
    ).reshape(patches.shape)
    parts = (slice(patches.train_images), slice(patches.train_images, None))
    precisions = [
        cluster_precision(_cells(clusters[p], settings), _cells(patches.marked[p], settings), count)
        for p in parts
    ]
    threshold = settings.foreground_threshold
    if threshold is None:
        train = parts[0]
        if settings.threshold_by == "labels":
            threshold = threshold_by_labels(
                enlarged(clusters[train], settings.mask_size, settings.resampling),
                labels != 0,  # ignored cells count as objects, as in the released code
                precisions[0],
                settings.threshold_step,
                settings.threshold_cuts,
            )
        else:
            threshold = threshold_by_attention(
                clusters[train], patches.marked[train], precisions[0], settings.threshold_step
            )
    chosen = [precision >= threshold for precision in precisions]
    mask = np.concatenate([keep[clusters[p]] for keep, p in zip(chosen, parts, strict=True)])
    used = np.unique(clusters[parts[1]])
    return Foreground(mask, threshold, int(chosen[1][used].sum()))


def cluster_foreground(
    patches: Patches, foreground: Foreground, clusters: int, settings: Unsupervised, seed: int
) -> np.ndarray:
    """Return the k-means cluster of every patch, int32 (images, rows, columns).

    Background has the number `clusters`. Where the foreground has fewer patches than `clusters`, it
    has as many clusters as patches.
    """
    maps = np.full(patches.shape, clusters, np.int32)
    inside = patches.reduced[foreground.mask.ravel()]
    if len(inside):
        training = inside
        if settings.enlarged:
            weights = np.broadcast_to(
                cell_counts(patches.shape, settings.mask_size, settings.resampling), patches.shape
            )
            chosen = sample_cells(weights[foreground.mask], POINTS_PER_CLUSTER * clusters, seed)
            training = inside[chosen]
        maps[foreground.mask] = kmeans(
            inside,
            clusters,
            iterations=settings.iterations,
            redos=settings.redos,
            seed=seed,
            points_per_cluster=POINTS_PER_CLUSTER,
            training=training,
        )
    return maps


def cell_counts(shape: tuple[int, ...], size: int, at: Resampling = "centre") -> np.ndarray:
    """Return how many of size x size cells each patch covers, int64 (rows, columns).

    shape: (..., rows, columns) of the patches.
    """
    down, across = (np.bincount(nearest_index(n, size, at), minlength=n) for n in shape[-2:])
    return np.outer(down, across)


def sample_cells(counts: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Return the patches that at most `most` cells lie in, int64, ascending.

    The cells are drawn without replacement; all are taken where there are no more than `most`.
    counts: (patches,), how many cells each patch has.
    """
    ends = np.cumsum(counts)
    total = int(ends[-1])
    if total <= most:
        return np.repeat(np.arange(len(counts)), counts)
    drawn = np.random.default_rng(seed).choice(total, most, replace=False, shuffle=False)
    return np.searchsorted(ends, np.sort(drawn), side="right")


def neighbour_shares(maps: np.ndarray, clusters: int, settings: Unsupervised) -> np.ndarray:
    """Return how often clusters lie side by side, float64 (clusters + 1, clusters + 1).

    maps: as `cluster_foreground` returns them. The last row and column are those of the background;
    they are zero where it does not count as a neighbour.
    """
    offsets = neighbourhood(settings.neighbourhood, settings.distances)

    def images() -> Iterator[np.ndarray]:
        for image in maps:
            if not settings.background_neighbour:
                image = np.where(image == clusters, -1, image)
            yield _cells(image, settings)

    return co_occurrence(images(), clusters + 1, offsets)


def _cells(maps: np.ndarray, settings: Unsupervised) -> np.ndarray:
    if not settings.enlarged:
        return maps
    return enlarged(maps, settings.mask_size, settings.resampling)
