"""From frozen patch tokens to clusters: tokens (N, dim) come in, the cluster of each comes out.

Tokens are standardised, reduced by PCA and clustered by k-means. Source: paper, appendix A.2 (faiss
k-means on patch tokens), with the settings of the released code (Leopart's evaluation).
"""

from collections.abc import Iterator

import faiss
import numpy as np

ROWS = 16_384
"""How many tokens are read at a time."""


def _blocks(tokens: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(tokens), ROWS):
        yield tokens[start : start + ROWS].astype(np.float32)


def reduced_tokens(tokens: np.ndarray, components: int) -> np.ndarray:
    """Return tokens (N, dim) reduced by PCA to float32 (N, components), read in blocks.

    Every dimension is brought to mean 0 and standard deviation 1. Then tokens are projected on the
    leading principal axes, without whitening. Where dim is below `components`, dim are left.
    """
    count, dim = tokens.shape
    total = np.zeros(dim)
    for block in _blocks(tokens):
        total += block.sum(axis=0, dtype=np.float64)
    mean = (total / count).astype(np.float32)
    products = np.zeros((dim, dim))
    for block in _blocks(tokens):
        block -= mean
        products += block.T @ block
    covariance = products / count
    deviation = np.sqrt(np.diagonal(covariance))
    # A dimension that never changes stays at 0 instead of becoming 0 / 0.
    scale = np.divide(1.0, deviation, out=np.zeros(dim), where=deviation > 1e-6)
    axes = np.linalg.eigh(covariance * np.outer(scale, scale))[1][:, ::-1]  # leading first
    projection = (scale[:, None] * axes[:, : min(components, dim)]).astype(np.float32)
    reduced = np.empty((count, projection.shape[1]), np.float32)
    done = 0
    for block in _blocks(tokens):
        reduced[done : done + len(block)] = (block - mean) @ projection
        done += len(block)
    return reduced


def on_gpu() -> bool:
    """Return whether this faiss can cluster on a GPU."""
    return hasattr(faiss, "get_num_gpus") and faiss.get_num_gpus() > 0


def kmeans(
    points: np.ndarray,
    clusters: int,
    *,
    iterations: int,
    redos: int,
    seed: int,
    points_per_cluster: int | None = 256,
    spherical: bool = False,
    training: np.ndarray | None = None,
) -> np.ndarray:
    """Return the cluster of every point, int32 (N,), for points float32 (N, components).

    iterations, redos: faiss's, of which the best of `redos` starts is taken. points_per_cluster:
    from how many points for each cluster centroids are found. faiss draws them with the seed; None
    takes all. spherical: centroids have length 1, and points are assigned by their direction.
    training: points float32 (N', components) from which centroids are found instead of `points`.
    """
    training = points if training is None else training
    means = faiss.Kmeans(
        points.shape[1],
        min(clusters, len(training)),
        niter=iterations,
        nredo=redos,
        seed=seed,
        min_points_per_centroid=1,
        max_points_per_centroid=points_per_cluster or len(training),
        gpu=on_gpu(),
        spherical=spherical,
    )
    means.train(training)
    return means.index.search(points, 1)[1][:, 0].astype(np.int32)
