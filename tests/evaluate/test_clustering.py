import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from neco.evaluate import clustering
from neco.evaluate.clustering import kmeans, reduced_tokens


def correlated(count=900, dim=24, seed=0):
    generator = np.random.default_rng(seed)
    mixing = generator.standard_normal((6, dim)) * np.geomspace(1, 30, dim)
    return generator.standard_normal((count, 6)) @ mixing + generator.standard_normal(dim) * 50


def test_reduction_is_that_of_scikit_learn_up_to_signs(monkeypatch):
    monkeypatch.setattr(clustering, "ROWS", 100)
    tokens = correlated()
    expected = PCA(4).fit_transform(StandardScaler().fit_transform(tokens))
    found = reduced_tokens(tokens.astype(np.float32), 4)
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=2e-3)


def test_a_constant_dimension_does_no_harm():
    tokens = correlated().astype(np.float16)
    tokens[:, 3] = 7.0
    found = reduced_tokens(tokens, 50)
    assert found.shape == (900, 24)
    assert np.isfinite(found).all()


def blobs(seed=0, count=1200, clusters=5):
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((clusters, 8)) * 6
    labels = generator.integers(0, clusters, count)
    return (centres[labels] + generator.standard_normal((count, 8))).astype(np.float32), labels


@pytest.mark.parametrize("points_per_cluster", [None, 100])
def test_kmeans_is_as_good_as_scikit_learns(points_per_cluster):
    points, _ = blobs()
    found = kmeans(
        points, 5, iterations=30, redos=20, seed=1, points_per_cluster=points_per_cluster
    )
    inertia = sum(
        ((points[found == k] - points[found == k].mean(axis=0)) ** 2).sum() for k in range(5)
    )
    other = KMeans(5, n_init=10, random_state=0).fit(points).inertia_
    assert inertia <= other * 1.01


def test_a_seed_repeats():
    points, _ = blobs(1)
    first, again, other = (
        kmeans(points, 40, iterations=5, redos=1, seed=seed) for seed in (3, 3, 4)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
