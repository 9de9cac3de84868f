from collections.abc import Callable

import numpy as np

from neco.data.dataset import Dataset
from neco.evaluate.patch_labels import read_patch_labels
from neco.features import Features
from neco.report.figures.nearest import (
    NEIGHBOURS,
    PURE,
    Query,
    candidates,
    nearest_patches,
    retrieve,
)

Extract = Callable[[Dataset, float], Features]


def test_nearest_patches_equal_a_full_sort() -> None:
    random = np.random.default_rng(0)
    tokens = random.normal(size=(9, 3, 4, 5)).astype(np.float32)
    main = random.integers(0, 3, (9, 12))
    queries = [Query(2, 7, 1), Query(8, 0, 2)]
    found = nearest_patches(tokens, queries, main)
    for row, query in enumerate(queries):
        asked = tokens[query.image].reshape(-1, 5)[query.patch]
        scored = []
        for image in set(range(9)) - {query.image}:
            cosines = [
                float(asked @ token / np.linalg.norm(asked) / np.linalg.norm(token))
                for token in tokens[image].reshape(-1, 5)
            ]
            best = int(np.argmax(cosines))
            scored.append((-cosines[best], image, best))
        expected = sorted(scored)[:NEIGHBOURS]
        assert found.images[row].tolist() == [image for _, image, _ in expected]
        assert found.patches[row].tolist() == [patch for _, _, patch in expected]
        right = [main[image, patch] == query.label for _, image, patch in expected]
        assert found.right[row].tolist() == right


def test_queries_are_pure_patches_of_objects(scenes: tuple[Dataset, Dataset]) -> None:
    labels = read_patch_labels(scenes[1], 64, 8)
    queries = candidates(labels, (8, 8), range(1, 3))
    assert {query.label for query in queries} == {1, 2}
    assert len(queries) == 2 * len(scenes[1])
    soft = labels.soft.toarray().reshape(len(scenes[1]), 64, -1)
    for query in queries:
        assert soft[query.image, query.patch, query.label] >= PURE


def test_better_features_retrieve_more_of_the_class(
    scenes: tuple[Dataset, Dataset], features: Extract
) -> None:
    val = scenes[1]
    found = retrieve(val, features(val, 2.0), features(val, 0.01))
    assert found.neco.right.mean() == 1.0
    assert found.start.right.mean() < 0.9
