"""Which class or other cluster each cluster stands for: pixels are counted, partners come out.

The released code goes through all pixels once for each pair of a cluster and a class. The table
holds the same counts, so that matching takes milliseconds.
"""

import numpy as np
from scipy.optimize import linear_sum_assignment

PIXELS = 131_072
"""How many pixels are counted at a time, so that intermediate results stay in cache."""


def contingency(
    clusters: np.ndarray, masks: np.ndarray, cluster_count: int, classes: int
) -> np.ndarray:
    """Return how many pixels each pair of cluster and class has, int64 (cluster_count, classes).

    clusters, masks: integers of the same shape. masks hold class ids, and 255 for ignored pixels,
    which are not counted.
    """
    clusters, masks = clusters.ravel(), masks.ravel()
    columns = classes + 1  # the last one takes the ignored pixels
    counts = np.zeros(cluster_count * columns, np.int64)
    for start in range(0, len(masks), PIXELS):
        pairs = clusters[start : start + PIXELS].astype(np.int64)
        pairs *= columns
        pairs += np.minimum(masks[start : start + PIXELS], classes)
        counts += np.bincount(pairs, minlength=len(counts))
    return counts.reshape(cluster_count, columns)[:, :classes]


def match_one_to_one(table: np.ndarray) -> np.ndarray:
    """Return the class of each cluster, int64 (clusters,): Hungarian matching on IoU.

    table: (clusters, classes). Clusters without a partner go to class 0, as in the released code.
    """
    table = table.astype(np.float64)
    union = table.sum(axis=1, keepdims=True) + table.sum(axis=0, keepdims=True) - table
    iou = np.divide(table, union, out=np.zeros_like(table), where=union > 0)
    rows, columns = linear_sum_assignment(iou, maximize=True)
    matched = np.zeros(len(table), dtype=np.int64)
    matched[rows] = columns
    return matched


def match_by_precision(table: np.ndarray) -> np.ndarray:
    """Return the class of each cluster, int64 (clusters,): the class of most of its pixels."""
    return table.argmax(axis=1)


def renumbered(maps: np.ndarray, like: np.ndarray, clusters: int) -> np.ndarray:
    """Return `maps` with the numbers of the clusters in `like` that its clusters overlap most.

    maps, like: int (images, rows, columns), of the same images. Clusters correspond one to one. A
    reader can then compare colours.
    """
    if maps.shape != like.shape:
        return maps
    pairs = np.bincount(
        maps.ravel().astype(np.int64) * clusters + like.ravel(), minlength=clusters**2
    )
    table = pairs.reshape(clusters, clusters)
    _, target = linear_sum_assignment(table, maximize=True)
    renamed: np.ndarray = target[maps]
    return renamed
