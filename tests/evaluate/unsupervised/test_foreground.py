"""Which clusters are foreground, against loops over images, clusters and cuts."""

import numpy as np
import pytest

from neco.evaluate.unsupervised.foreground import (
    cluster_precision,
    threshold_by_attention,
    threshold_by_labels,
)


def slow_precision(clusters, marked, count):
    shares = [[] for _ in range(count)]
    for image, there in zip(clusters, marked, strict=True):
        for cluster in np.unique(image):
            shares[cluster].append(there[image == cluster].mean())
    return [np.mean(each) if each else 0.0 for each in shares]


def slow_threshold(clusters, objects, precision, step, cuts):
    """The reference's way: a mask per cut, the IoU of every image, the last of the best cuts."""
    count, found = len(precision), []
    for start in range(int(cuts[0] * count), int(cuts[1] * count)):
        mask = np.isin(clusters, np.argsort(precision)[start:])
        ious = [(m & o).sum() / (m | o).sum() for m, o in zip(mask, objects, strict=True)]
        found.append((float(np.sort(precision)[start]), float(np.mean(ious))))
    best = sorted(found, key=lambda pair: pair[1])[-1][0]
    return min(np.arange(0, 1, step), key=lambda multiple: abs(multiple - best))


def test_precision_is_averaged_over_the_images_that_show_a_cluster():
    rng = np.random.default_rng(1)
    clusters, marked = rng.integers(0, 7, (5, 4, 4)), rng.random((5, 4, 4)) < 0.4
    clusters[:3][clusters[:3] == 2] = 0
    found = cluster_precision(clusters, marked, 9)
    np.testing.assert_allclose(found, slow_precision(clusters, marked, 9))
    assert not np.allclose(found[:7], [marked[clusters == one].mean() for one in range(7)])


def test_the_threshold_by_attention_agrees_with_it_best():
    clusters = np.array([[[0, 0, 0, 1, 1, 1, 2, 2, 2]]])
    marked = np.array([[[1, 1, 1, 1, 1, 0, 1, 0, 0]]], bool)  # precisions 1, 2/3, 1/3
    precision = cluster_precision(clusters, marked, 3)
    threshold = threshold_by_attention(clusters, marked, precision, 0.05)
    assert 1 / 3 < threshold <= 2 / 3
    assert abs(threshold / 0.05 - round(threshold / 0.05)) < 1e-9


@pytest.mark.parametrize("seed", range(6))
def test_the_threshold_by_labels_equals_the_loop_over_cuts(seed):
    rng = np.random.default_rng(seed)
    clusters = rng.integers(0, 20, (6, 8, 8))
    objects = rng.random((6, 8, 8)) < 0.1 + clusters / 25  # clusters of high number are objects
    precision = rng.permuted(np.linspace(0.02, 0.93, 20)) * 0.3 + np.linspace(0, 0.7, 20)
    found = threshold_by_labels(clusters, objects, precision, 0.05, (0.55, 0.75))
    assert found == pytest.approx(slow_threshold(clusters, objects, precision, 0.05, (0.55, 0.75)))


def test_few_clusters_still_have_one_cut():
    clusters = np.array([[[0, 0, 1, 1]]])
    found = threshold_by_labels(clusters, clusters == 1, np.array([0.1, 0.62]), 0.05, (0.55, 0.75))
    assert found == pytest.approx(0.6)
