import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from scipy.special import softmax

from neco.errors import UserError
from neco.evaluate.patch_labels import (
    patch_histograms,
    read_patch_labels,
    select_patches,
    transfer_labels,
)
from neco.transforms import resize_nearest


def one_hot_histograms(mask, patch_size, classes):
    """The reference's way: a one-hot of every pixel, averaged over each patch."""
    one_hot = np.eye(classes)[np.where(mask == 255, 0, mask)]
    rows, columns = mask.shape[0] // patch_size, mask.shape[1] // patch_size
    cells = one_hot.reshape(rows, patch_size, columns, patch_size, classes)
    return cells.mean(axis=(1, 3)).reshape(rows * columns, classes)


@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 1000))
def test_histograms_are_averaged_one_hots(cells, patch_size, seed):
    generator = np.random.default_rng(seed)
    mask = generator.choice([0, 1, 2, 6, 255], (cells * patch_size,) * 2).astype(np.uint8)
    counts = patch_histograms(mask, patch_size, 7)
    np.testing.assert_allclose(counts / patch_size**2, one_hot_histograms(mask, patch_size, 7))


def test_a_split_is_its_images_one_after_the_other(coloured):
    train, _ = coloured
    labels = read_patch_labels(train, 32, 8)
    assert labels.soft.shape == (len(train) * 16, 4)
    assert labels.soft.dtype == np.float32
    for number, item in enumerate(train.items):
        mask = item.read_mask()
        expected = one_hot_histograms(resize_nearest(mask, 32, 32), 8, 4)
        rows = labels.soft[number * 16 : (number + 1) * 16].toarray()
        np.testing.assert_allclose(rows, expected, atol=1e-6)
        assert labels.present[number].tolist() == [bool((mask == k).any()) for k in range(4)]


def test_ignored_pixels_are_background_only_where_there_is_one(coloured, monkeypatch):
    train, _ = coloured
    monkeypatch.setattr("neco.evaluate.patch_labels.has_background", lambda dataset: False)
    labels = read_patch_labels(train, 40, 8)
    assert labels.soft.shape[1] == 5
    for number, item in enumerate(train.items):
        ignored = resize_nearest(item.read_mask(), 40, 40) == 255
        share = labels.soft[number * 25].toarray()[0, 4]
        assert share == pytest.approx(ignored[:8, :8].mean())


def test_an_impossible_class_is_refused():
    with pytest.raises(UserError, match="holds class 9"):
        patch_histograms(np.full((4, 4), 9), 2, 4)


def selection_twin(shares, count, uniform):
    """The reference's score, patch by patch and class by class."""
    scores = []
    for patch in range(len(shares)):
        score = 0
        for k in range(shares.shape[1]):
            if shares[patch, k] > 0:
                score += (shares[:, k] > 0).sum()
        scores.append(score * uniform[patch])
    return np.sort(np.argsort(scores, kind="stable")[:count])


@given(st.integers(0, 500), st.integers(1, 24))
def test_selection_takes_the_smallest_of_the_references_scores(seed, count):
    generator = np.random.default_rng(seed)
    shares = generator.random((25, 4)) * (generator.random((25, 4)) < 0.5)
    shares[np.arange(25), generator.integers(0, 4, 25)] = 1.0
    uniform = np.random.default_rng(seed + 1).random(25)
    found = select_patches(csr_matrix(shares), count, np.random.default_rng(seed + 1))
    assert np.array_equal(found, selection_twin(shares, count, uniform))


def test_selection_prefers_rare_classes():
    shares = np.zeros((100, 2))
    shares[:, 0] = 1.0
    shares[:5] = [0.0, 1.0]
    kept = [
        np.intersect1d(
            select_patches(csr_matrix(shares), 20, np.random.default_rng(seed)), range(5)
        ).size
        for seed in range(20)
    ]
    assert np.mean(kept) > 4.0  # a uniform choice would keep 1


def test_transfer_is_the_weighted_sum_over_gathered_labels(monkeypatch):
    monkeypatch.setattr("neco.evaluate.patch_labels.QUERIES", 3)
    generator = np.random.default_rng(0)
    labels = generator.random((50, 6)) * (generator.random((50, 6)) < 0.4)
    cosines = generator.uniform(-1, 1, (8, 5)).astype(np.float32)
    neighbours = np.stack([generator.permutation(50)[:5] for _ in range(8)])
    weights = softmax(cosines.astype(np.float64) / 0.02, axis=1)
    expected = np.einsum("qk,qkc->qc", weights, labels[neighbours])
    soft = csr_matrix(labels.astype(np.float32))
    np.testing.assert_allclose(
        transfer_labels(cosines, neighbours, soft, 0.02), expected, atol=1e-5
    )
