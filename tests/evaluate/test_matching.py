from itertools import permutations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics.cluster import contingency_matrix

from neco.evaluate.matching import (
    contingency,
    match_by_precision,
    match_one_to_one,
    renumbered,
)


def scene(seed, clusters, classes, shape=(4, 12, 12)):
    generator = np.random.default_rng(seed)
    masks = generator.integers(0, classes, shape).astype(np.uint8)
    maps = np.where(generator.random(shape) < 0.7, masks, generator.integers(0, clusters, shape))
    masks[generator.random(shape) < 0.1] = 255
    return generator.permutation(clusters)[maps].astype(np.int32), masks


def test_table_is_that_of_scikit_learn(monkeypatch):
    monkeypatch.setattr("neco.evaluate.matching.PIXELS", 100)
    maps, masks = scene(0, 9, 4)
    kept = masks != 255
    table = contingency(maps, masks, 9, 4)
    assert np.array_equal(table, contingency_matrix(maps[kept], masks[kept]))


def pixel_iou(maps, masks, cluster, k):
    kept = masks != 255
    inside, true = (maps == cluster) & kept, (masks == k) & kept
    union = (inside | true).sum()
    return (inside & true).sum() / union if union else 0.0


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_one_to_one_matching_is_the_best_of_all_permutations(seed):
    maps, masks = scene(seed, 4, 4)
    iou = np.array([[pixel_iou(maps, masks, c, k) for k in range(4)] for c in range(4)])
    best = max(iou[range(4), list(order)].sum() for order in permutations(range(4)))
    found = match_one_to_one(contingency(maps, masks, 4, 4))
    assert sorted(found) == [0, 1, 2, 3]
    assert abs(iou[range(4), found].sum() - best) < 1e-12


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_precision_matching_equals_a_pass_per_pair(seed):
    """The reference's way: all pixels once for each (cluster, class)."""
    maps, masks = scene(seed, 15, 4)
    found = match_by_precision(contingency(maps, masks, 15, 4))
    kept = masks != 255
    for cluster in range(15):
        inside = (maps == cluster) & kept
        precision = [(inside & (masks == k)).sum() / max(inside.sum(), 1) for k in range(4)]
        assert precision[found[cluster]] == max(precision)


def test_clusters_without_a_partner_go_to_class_zero():
    table = np.array([[9, 0], [0, 9], [3, 4]])
    assert match_one_to_one(table).tolist() == [0, 1, 0]


@given(st.integers(0, 1000), st.integers(2, 9))
def test_renumbering_undoes_any_renaming(seed: int, clusters: int) -> None:
    random = np.random.default_rng(seed)
    maps = np.concatenate([np.arange(clusters), random.integers(0, clusters, 55)]).reshape(1, 1, -1)
    renamed = random.permutation(clusters)[maps]
    assert (renumbered(renamed, maps, clusters) == maps).all()


def test_renumbering_keeps_the_partition() -> None:
    random = np.random.default_rng(0)
    first, second = random.integers(0, 6, (2, 4, 5, 5))
    after = renumbered(first, second, 6)
    pairs = {(a, b) for a, b in zip(first.ravel().tolist(), after.ravel().tolist(), strict=True)}
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})
    assert renumbered(first, second[:, :2], 6) is first
