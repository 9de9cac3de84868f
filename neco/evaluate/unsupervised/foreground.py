"""Cluster-based foreground extraction (CBFE). Source: paper, appendix A.2; Leopart.

The attention of a single image is noisy; of a cluster of patches from all images it is not. So
every cluster is foreground or background as a whole, by the share of its patches that attention
marks (its precision).
"""

import numpy as np


def cluster_precision(clusters: np.ndarray, marked: np.ndarray, count: int) -> np.ndarray:
    """Return the share of each cluster's patches that are marked, float64 (count,); 0 if empty.

    clusters: integers of any shape. marked: bool of the same shape.
    """
    sizes = np.bincount(clusters.ravel(), minlength=count)
    hits = np.bincount(clusters.ravel(), weights=marked.ravel(), minlength=count)
    return np.divide(hits, sizes, out=np.zeros(count), where=sizes > 0)


def choose_threshold(
    clusters: np.ndarray, marked: np.ndarray, precision: np.ndarray, step: float
) -> float:
    """Return the precision from which clusters are foreground, a multiple of `step`.

    It is the one whose foreground agrees best (IoU) with the attention masks of these images: no
    label is looked at. Of equals the lowest.
    """
    best, threshold = -1.0, step
    for candidate in np.arange(step, 1.0, step):
        foreground = (precision >= candidate)[clusters]
        union = np.count_nonzero(foreground | marked)
        agreement = np.count_nonzero(foreground & marked) / union if union else 0.0
        if agreement > best:
            best, threshold = agreement, float(candidate)
    return round(threshold, 6)
