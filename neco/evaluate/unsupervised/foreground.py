"""Cluster-based foreground (CBFE): clusters and attention come in, a threshold comes out.

The attention of a single image is noisy. Averaged over a cluster of patches from all images it is
much less so. Therefore a cluster is foreground or background as a whole. What decides is its
precision, the share of it that attention marks. Source: paper, appendix A.2; Leopart's released
code.
"""

import numpy as np


def cluster_counts(clusters: np.ndarray, marked: np.ndarray, count: int) -> np.ndarray:
    """Return how many cells, and how many marked cells, each cluster has in each image.

    The result is int64 (2, images, count).

    clusters: integers (images, rows, columns). marked: bool of the same shape.
    """
    images = len(clusters)
    sizes = np.empty((2, images, count), np.int64)
    for number, (image, there) in enumerate(zip(clusters, marked, strict=True)):
        sizes[0, number] = np.bincount(image.ravel(), minlength=count)
        sizes[1, number] = np.bincount(image[there], minlength=count)
    return sizes


def cluster_precision(clusters: np.ndarray, marked: np.ndarray, count: int) -> np.ndarray:
    """Return the precision of each cluster, float64 (count,): the share of it that is marked.

    The share is computed in each image that shows the cluster and averaged over these images, so a
    large object counts no more than a small one. It is 0 for a cluster that no image shows.
    Arguments are those of `cluster_counts`.
    """
    cells, hits = cluster_counts(clusters, marked, count)
    shares = np.divide(hits, cells, out=np.zeros(cells.shape), where=cells > 0)
    return np.asarray(shares.sum(axis=0) / np.maximum((cells > 0).sum(axis=0), 1))


def threshold_by_attention(
    clusters: np.ndarray, marked: np.ndarray, precision: np.ndarray, step: float
) -> float:
    """Return the precision from which clusters are foreground, a multiple of `step`.

    Its foreground has the highest IoU with the attention masks of these images. Labels are not
    read. Of several that agree equally well, the lowest is taken.

    clusters: integers (images, rows, columns). marked: bool of the same shape. precision:
    (clusters,), as `cluster_precision` returns it.
    """
    best, threshold = -1.0, step
    for candidate in np.arange(step, 1.0, step):
        foreground = (precision >= candidate)[clusters]
        union = np.count_nonzero(foreground | marked)
        agreement = np.count_nonzero(foreground & marked) / union if union else 0.0
        if agreement > best:
            best, threshold = agreement, float(candidate)
    return round(threshold, 6)


def threshold_by_labels(
    clusters: np.ndarray,
    objects: np.ndarray,
    precision: np.ndarray,
    step: float,
    cuts: tuple[float, float],
) -> float:
    """Return the precision from which clusters are foreground, rounded to a multiple of `step`.

    Clusters are sorted by precision, and this order is cut into background and foreground. Cuts are
    tried at each rank from the share cuts[0] of the clusters up to, but without, the share cuts[1].
    The best cut is the one whose foreground has the highest IoU with the objects, averaged over
    images. Of several equally good ones it is the one with the least foreground. The lowest
    precision in its foreground is rounded and returned. Source: released code.

    objects: bool of the clusters' shape (images, rows, columns), where labels are not background.
    """
    count = len(precision)
    order = np.argsort(precision)
    cells, hits = cluster_counts(clusters, objects, count)
    # Column s adds up the clusters from rank s upwards.
    foreground, found = (np.cumsum(part[:, order[::-1]], axis=1)[:, ::-1] for part in (cells, hits))
    union = objects.sum(axis=(1, 2))[:, None] + foreground - found
    # An image without objects and without foreground agrees fully.
    agreement = np.divide(found, union, out=np.ones(found.shape), where=union > 0).mean(axis=0)
    first = min(int(cuts[0] * count), count - 1)
    ranks = np.arange(first, max(int(cuts[1] * count), first + 1))
    best = ranks[np.flatnonzero(agreement[ranks] == agreement[ranks].max())[-1]]
    multiples = np.arange(0.0, 1.0, step)
    return round(float(multiples[np.abs(multiples - precision[order[best]]).argmin()]), 6)
