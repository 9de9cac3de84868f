"""Patches that stand for cells: the same as clustering the enlarged features themselves."""

import numpy as np

from neco.config.unsupervised import Unsupervised
from neco.evaluate.unsupervised.communities import co_occurrence, neighbourhood
from neco.evaluate.unsupervised.segment import (
    Foreground,
    Patches,
    cell_counts,
    cluster_foreground,
    extract_foreground,
    neighbour_shares,
    sample_cells,
)
from neco.transforms import resize_nearest

SETTINGS = Unsupervised(mask_size=11, iterations=10, redos=2, clusters=3, foreground_clusters=4)


def patches(images: int = 6, side: int = 4, seed: int = 0) -> tuple[Patches, np.ndarray]:
    """Tokens of four tight groups, attention on groups 2 and 3, and the group of every patch."""
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 4, (images, side, side))
    tokens = 4 * np.eye(5, dtype=np.float32)[groups.ravel()]
    tokens += 0.1 * rng.normal(size=tokens.shape).astype(np.float32)
    return Patches(tokens, groups >= 2, images // 2), groups


def test_all_cells_are_the_enlarged_features():
    rng = np.random.default_rng(0)
    tokens, mask = rng.normal(size=(3, 4, 5, 2)), rng.random((3, 4, 5)) < 0.6
    counts = np.broadcast_to(cell_counts((4, 5), 11), mask.shape)[mask]
    cells = tokens[mask][sample_cells(counts, 10_000, seed=0)]
    large = np.stack([resize_nearest(tokens[..., i], 11, 11) for i in range(2)], axis=-1)
    obvious = large[resize_nearest(mask, 11, 11)]
    assert sorted(map(tuple, cells)) == sorted(map(tuple, obvious))


def test_a_sample_takes_no_cell_twice_and_patches_by_their_cells():
    counts = np.array([1, 0, 5, 300])
    drawn = np.bincount(sample_cells(counts, 200, seed=1), minlength=4)
    assert drawn.sum() == 200 and (drawn <= counts).all()
    assert drawn[3] > 150
    assert (sample_cells(counts, 200, seed=1) == sample_cells(counts, 200, seed=1)).all()


def test_foreground_is_decided_split_by_split():
    given, groups = patches()
    marked = given.marked.copy()
    marked[given.train_images :] = groups[given.train_images :] == 3  # attention sees less there
    labels = np.zeros((given.train_images, 11, 11), np.uint8)
    settings = SETTINGS.model_copy(update={"foreground_threshold": 0.9})
    found = extract_foreground(
        Patches(given.reduced, marked, given.train_images), settings, 0, labels
    )
    np.testing.assert_array_equal(found.mask, marked)
    assert found.clusters == 1


def test_labels_or_attention_choose_the_threshold():
    given, groups = patches()
    train = slice(given.train_images)
    labels = resize_nearest(groups[train] == 3, 11, 11).astype(np.uint8) * 255  # ignored: object
    by_labels = extract_foreground(given, SETTINGS, 0, labels)
    np.testing.assert_array_equal(by_labels.mask, given.marked)  # a cut between 55 and 75 percent
    by_attention = SETTINGS.model_copy(update={"threshold_by": "attention"})
    np.testing.assert_array_equal(
        extract_foreground(given, by_attention, 0, labels * 0).mask, given.marked
    )


def test_clusters_are_the_groups_and_background_the_last():
    given, groups = patches()
    foreground = Foreground(groups > 0, 0.5, 3)
    for enlarged in (True, False):
        settings = SETTINGS.model_copy(update={"enlarged": enlarged})
        maps = cluster_foreground(given, foreground, 3, settings, seed=0)
        assert (maps[groups == 0] == 3).all()
        names = [np.unique(maps[groups == group]) for group in (1, 2, 3)]
        assert sorted(name.item() for name in names) == [0, 1, 2]


def test_nothing_in_the_foreground_is_all_background():
    given, groups = patches()
    maps = cluster_foreground(given, Foreground(groups > 9, 0.5, 0), 3, SETTINGS, seed=0)
    assert (maps == 3).all()


def test_company_is_counted_on_enlarged_maps_with_the_background():
    maps = np.random.default_rng(2).integers(0, 4, (3, 4, 4)).astype(np.int32)
    offsets = neighbourhood("square", (1, 2))
    found = neighbour_shares(maps, 3, SETTINGS)
    np.testing.assert_allclose(found, co_occurrence(resize_nearest(maps, 11, 11), 4, offsets))
    assert found[3].any() and found[:, 3].any()
    without = neighbour_shares(maps, 3, SETTINGS.model_copy(update={"background_neighbour": False}))
    assert not without[3].any() and not without[:, 3].any()
    small = neighbour_shares(maps, 3, SETTINGS.model_copy(update={"enlarged": False}))
    np.testing.assert_allclose(small, co_occurrence(maps, 4, offsets))
