from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neco.data.dataset import Dataset
from neco.features import Features
from neco.report.figures.overlays import image_miou, renumbered

Extract = Callable[[Dataset, float], Features]


@settings(deadline=None)
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


def test_miou_of_one_image_counts_the_classes_it_shows() -> None:
    truth = np.array([[0, 0, 1, 255]], np.uint8)
    predicted = np.array([[0, 2, 1, 1]], np.uint8)
    assert image_miou(predicted, truth, 3) == pytest.approx(100 * (1 / 2 + 1) / 2)
