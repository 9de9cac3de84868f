"""Cluster-based foreground extraction (CBFE). Source: paper, appendix A.2; Leopart's released code.

The attention of a single image is noisy. Averaged over a cluster of patches from all images it is
much less so. Therefore every cluster is foreground or background as a whole, by the share of it
that attention marks (its precision).
"""

import numpy as np


def cluster_counts(clusters: np.ndarray, marked: np.ndarray, count: int) -> np.ndarray:
    """Return int64 (2, images, count): cells of each cluster in each image, and the marked ones.

    clusters: integers (images, rows, columns). marked: bool of the same shape.
    """
    images = len(clusters)
    sizes = np.empty((2, images, count), np.int64)
    for number, (image, there) in enumerate(zip(clusters, marked, strict=True)):
        sizes[0, number] = np.bincount(image.ravel(), minlength=count)
        sizes[1, number] = np.bincount(image[there], minlength=count)
    return sizes


def cluster_precision(clusters: np.ndarray, marked: np.ndarray, count: int) -> np.ndarray:
    """Return the precision of each cluster, float64 (count,); 0 for one that no image shows.

    It is the marked share of the cluster's cells in an image, averaged over the images that show
    the cluster: a large object counts no more than a small one. Arguments as in `cluster_counts`.
    """
    cells, hits = cluster_counts(clusters, marked, count)
    shares = np.divide(hits, cells, out=np.zeros(cells.shape), where=cells > 0)
    return np.asarray(shares.sum(axis=0) / np.maximum((cells > 0).sum(axis=0), 1))


def threshold_by_attention(
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


def threshold_by_labels(
    clusters: np.ndarray,
    objects: np.ndarray,
    precision: np.ndarray,
    step: float,
    cuts: tuple[float, float],
) -> float:
    """Return the precision from which clusters are foreground, rounded to a multiple of `step`.

    Clusters are put in order of precision and cut after each rank from the share cuts[0] to below
    cuts[1] of them. The best cut's foreground has the highest IoU with the objects, averaged over
    images; of equals the one with least foreground. Its lowest precision is what gets rounded.
    Source: reference.

    objects: bool of the clusters' shape (images, rows, columns), where labels are not background.
    """
    count = len(precision)
    order = np.argsort(precision)
    cells, hits = cluster_counts(clusters, objects, count)
    # [:, s] is what the clusters from rank s upwards hold
    foreground, found = (np.cumsum(part[:, order[::-1]], axis=1)[:, ::-1] for part in (cells, hits))
    union = objects.sum(axis=(1, 2))[:, None] + foreground - found
    # nothing there and nothing found is full agreement
    agreement = np.divide(found, union, out=np.ones(found.shape), where=union > 0).mean(axis=0)
    first = min(int(cuts[0] * count), count - 1)
    ranks = np.arange(first, max(int(cuts[1] * count), first + 1))
    best = ranks[np.flatnonzero(agreement[ranks] == agreement[ranks].max())[-1]]
    multiples = np.arange(0.0, 1.0, step)
    return round(float(multiples[np.abs(multiples - precision[order[best]]).argmin()]), 6)
