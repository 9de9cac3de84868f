"""Which class a cluster stands for, from one table of pixel counts.

The reference goes through all pixels once per (cluster, class) pair; the table holds the same
counts, so matching takes milliseconds.
"""

import numpy as np
from scipy.optimize import linear_sum_assignment

from neco.data.dataset import IGNORED


def contingency(
    clusters: np.ndarray, masks: np.ndarray, cluster_count: int, classes: int
) -> np.ndarray:
    """Return int64 (cluster_count, classes), pixels by (cluster, class), ignored ones left out.

    clusters and masks: integers of one shape; 255 in masks is ignored.
    """
    kept = masks.ravel() != IGNORED
    pairs = clusters.ravel()[kept].astype(np.int64) * classes + masks.ravel()[kept]
    counts = np.bincount(pairs, minlength=cluster_count * classes)
    return counts.reshape(cluster_count, classes)


def match_one_to_one(table: np.ndarray) -> np.ndarray:
    """Return the class of each cluster, int64 (clusters,): Hungarian matching on IoU.

    Clusters that find no partner go to class 0, as in the reference.
    """
    table = table.astype(np.float64)
    union = table.sum(axis=1, keepdims=True) + table.sum(axis=0, keepdims=True) - table
    iou = np.divide(table, union, out=np.zeros_like(table), where=union > 0)
    rows, columns = linear_sum_assignment(iou, maximize=True)
    matched = np.zeros(len(table), dtype=np.int64)
    matched[rows] = columns
    return matched


def match_by_precision(table: np.ndarray) -> np.ndarray:
    """Return the class of each cluster, int64 (clusters,): the one most of its pixels are of."""
    return table.argmax(axis=1)
