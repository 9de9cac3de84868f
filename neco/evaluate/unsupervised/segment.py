"""From the features of two splits to segments: foreground, then communities inside it."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from neco.config.evaluation import Unsupervised
from neco.evaluate.clustering import kmeans, reduced_tokens
from neco.evaluate.unsupervised.communities import co_occurrence, communities, links
from neco.evaluate.unsupervised.foreground import choose_threshold, cluster_precision
from neco.features import Features
from neco.foreground import foreground_mask

BACKGROUND = 0


@dataclass(frozen=True)
class Patches:
    """The patches of the training and held-out images, training images first."""

    reduced: np.ndarray
    """float32 (patches, components), after standardisation and PCA."""
    marked: np.ndarray
    """bool (images, rows, columns), where attention looks."""
    train_images: int

    @property
    def shape(self) -> tuple[int, ...]:
        return self.marked.shape


@dataclass(frozen=True)
class Foreground:
    """Which patches are foreground, bool (images, rows, columns), and from which precision on."""

    mask: np.ndarray
    threshold: float
    clusters: int
    """How many clusters of patches are foreground."""


def gather(
    train: Features, val: Features, attention: tuple[Tensor, Tensor], settings: Unsupervised
) -> Patches:
    """Return both splits' patches. attention: (images, 1, rows, columns) of each split."""
    dim = train.tokens.shape[-1]
    tokens = np.concatenate([part.tokens.reshape(-1, dim) for part in (train, val)])
    masks = [foreground_mask(part, settings.attention_mass).numpy() for part in attention]
    reduced = reduced_tokens(tokens, settings.components)
    return Patches(reduced, np.concatenate(masks), len(train.tokens))


def extract_foreground(patches: Patches, settings: Unsupervised, seed: int) -> Foreground:
    """Return the foreground by clusters (CBFE)."""
    lengths = np.linalg.norm(patches.reduced, axis=1, keepdims=True)
    directions = patches.reduced / np.maximum(lengths, 1e-12)
    clusters = kmeans(
        directions,
        settings.foreground_clusters,
        iterations=settings.iterations,
        redos=settings.redos,
        seed=seed,
        spherical=True,
    ).reshape(patches.shape)
    precision = cluster_precision(clusters, patches.marked, settings.foreground_clusters)
    threshold = settings.foreground_threshold
    if threshold is None:
        some = slice(patches.train_images)
        threshold = choose_threshold(
            clusters[some], patches.marked[some], precision, settings.threshold_step
        )
    chosen = precision >= threshold
    used = np.unique(clusters)
    return Foreground(chosen[clusters], threshold, int(chosen[used].sum()))


def cluster_foreground(
    patches: Patches, foreground: Foreground, clusters: int, settings: Unsupervised, seed: int
) -> np.ndarray:
    """Return the k-means cluster of every foreground patch, int64 (images, rows, columns).

    -1 is background. Fewer patches than clusters give fewer clusters.
    """
    maps = np.full(patches.shape, -1, np.int64)
    inside = patches.reduced[foreground.mask.ravel()]
    if len(inside):
        maps[foreground.mask] = kmeans(
            inside, clusters, iterations=settings.iterations, redos=settings.redos, seed=seed
        )
    return maps


def detect_communities(
    maps: np.ndarray,
    clusters: int,
    settings: Unsupervised,
    seed: int,
    *,
    weight_threshold: float | None = None,
    markov_time: float | None = None,
) -> np.ndarray:
    """Return segments of cluster maps, int64 of the same shape: 0 background, communities from 1.

    weight_threshold, markov_time: other values than the settings', for the search.
    """
    probabilities = co_occurrence(maps, clusters, settings.distances)
    edges = links(
        probabilities, settings.weight_threshold if weight_threshold is None else weight_threshold
    )
    found = communities(
        edges,
        clusters,
        markov_time=settings.markov_time if markov_time is None else markov_time,
        preferred=settings.preferred_modules,
        seed=seed,
    )
    return np.where(maps < 0, BACKGROUND, found[maps] + 1)
