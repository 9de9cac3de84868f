"""The search sees counts only, and refuses what cannot be matched one to one."""

from functools import cache

import numpy as np
import pytest

from neco.config.unsupervised import Unsupervised
from neco.errors import UserError
from neco.evaluate.matching import contingency
from neco.evaluate.metrics import Tally
from neco.evaluate.protocol import PROTOCOLS
from neco.evaluate.unsupervised.evaluate import matched_classes
from neco.evaluate.unsupervised.parameters import Clustered, matched_miou, search, segments_of

SETTINGS = Unsupervised(
    seeds=[0, 1], bootstrap=0, preferred_modules=4, trials=20,
    search_clusters=(4, 8, 2), search_weight=(0.1, 0.9, 0.4), search_markov_time=(0.5, 1.0, 0.5),
)  # fmt: skip


def pairs_of_clusters(count: int) -> Clustered:
    """Clusters in pairs that are linked with weight 0.5; each pair is a class of its own."""
    neighbour_shares = np.zeros((count + 1, count + 1))
    for first in range(0, count, 2):
        neighbour_shares[first, first + 1] = neighbour_shares[first + 1, first] = 0.5
    table = np.zeros((count + 1, 5), np.int64)
    for cluster in range(count):
        table[cluster, 1 + (cluster // 2) % 4] = 10
    table[count, 0] = 50
    return Clustered(neighbour_shares, table)


def test_miou_from_counts_equals_the_one_from_maps():
    rng = np.random.default_rng(0)
    clusters = rng.integers(0, 7, (4, 9, 9))
    masks = rng.integers(0, 4, (4, 9, 9)).astype(np.uint8)
    masks[:, 0] = 255
    segments = np.array([0, 2, 1, 1, 5, 0, 3])
    score = Tally(list("abcde"), "zero", 0)
    for predicted, mask in zip(matched_classes(segments[clusters], masks, 5), masks, strict=True):
        score.update(predicted, mask)
    table = contingency(clusters, masks, 7, 5)
    assert matched_miou(table, segments, SETTINGS) == pytest.approx(score.result("", 0, {}).mIoU)


def test_the_best_parameters_are_found_and_clusterings_asked_once_each():
    asked = []

    @cache
    def clustered(count):
        asked.append(count)
        return pairs_of_clusters(count)

    found = search(clustered, SETTINGS)
    assert found.settings.clusters == 8 and found.settings.weight_threshold <= 0.5
    assert found.train_miou == pytest.approx(100.0)
    assert len(asked) == len(set(asked)) and set(asked) <= {4, 6, 8}
    assert found.settings.model_copy(update=SETTINGS.model_dump()) == SETTINGS
    segments = segments_of(pairs_of_clusters(8).neighbour_shares, found.settings, 0)
    assert sorted(np.bincount(segments)) == [1, 2, 2, 2, 2] and segments[8] == 0


def test_more_segments_than_classes_are_refused():
    def narrow(count):
        whole = pairs_of_clusters(count)
        return Clustered(whole.neighbour_shares, whole.table[:, :3])

    found = search(narrow, SETTINGS)
    assert 0 < found.refused < 20
    only = SETTINGS.model_copy(
        update={"search_weight": (0.1, 0.5, 0.4), "search_clusters": (8, 8, 1)}
    )
    with pytest.raises(UserError, match="more segments than classes"):
        search(narrow, only)


def test_the_record_names_what_a_search_chooses():
    """No searched range holds the value that the settings have, so every choice differs."""
    before, after = SETTINGS.model_dump(), search(pairs_of_clusters, SETTINGS).settings.model_dump()
    changed = {key for key in before if before[key] != after[key]}
    assert changed == PROTOCOLS["unsupervised"].searched
