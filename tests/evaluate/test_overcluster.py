from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import jaccard_score

from neco.backbones.backbone import PatchColours
from neco.config.extraction import Extraction
from neco.config.overcluster import Overcluster
from neco.errors import UserError
from neco.evaluate import overcluster
from neco.evaluate.matching import contingency, match_by_precision
from neco.evaluate.overcluster import cluster_maps, enlarged, evaluate, read_masks
from neco.features import Features, extract_features

SETTINGS = Overcluster(
    image_size=40, mask_size=20, clusters=["classes", 9], iterations=15, redos=2, seeds=[0, 1]
)


@pytest.fixture(scope="module")
def features(coloured, tmp_path_factory):
    folder = tmp_path_factory.mktemp("features")
    settings = Extraction(workers=0)
    return extract_features(
        PatchColours(4), coloured[0], 40, settings, folder, {"model": "colours", "seed": 3}
    )


def test_settings_are_those_of_the_tables(features, coloured):
    found = evaluate(features, coloured[0], SETTINGS)
    assert [(r.setting, r.seed) for r in found.results] == [
        ("K=GT", 0),
        ("K=GT", 1),
        ("K=9", 0),
        ("K=9", 1),
    ]
    assert found.headline == "K=9"
    assert found.mIoU == pytest.approx(np.mean([r.mIoU for r in found.results[2:]]))
    assert found.conditions.mask_resolution == "20x20"
    assert found.about == {"seed": 3}
    assert found.mIoU > 60  # colours solve coloured rectangles


def test_numbers_equal_scikit_learn_on_all_pixels(features, coloured):
    found = evaluate(features, coloured[0], SETTINGS)
    maps = enlarged(cluster_maps(features, 9, SETTINGS, seed=1), 20)
    masks = read_masks(coloured[0], 20, 40)
    matched = match_by_precision(contingency(maps, masks, 9, 4))
    kept = masks != 255
    expected = jaccard_score(masks[kept], matched[maps[kept]], average="macro", zero_division=0)
    assert found.results[3].mIoU == pytest.approx(100 * expected, abs=1e-3)


def test_an_impossible_id_is_refused(coloured):
    fewer = replace(coloured[0], classes=["ground", "red"])
    with pytest.raises(UserError, match=r"a mask holds class [23], but the dataset has 2"):
        read_masks(fewer, 20, 40)


def test_cluster_names_do_not_matter(features, coloured):
    maps = enlarged(cluster_maps(features, 9, SETTINGS), 20)
    masks = read_masks(coloured[0], 20, 40)
    renamed = np.random.default_rng(0).permutation(9)[maps]
    scores = []
    for clusters in (maps, renamed):
        matched = match_by_precision(contingency(clusters, masks, 9, 4))
        scores.append((matched[clusters] == masks).mean())
    assert scores[0] == scores[1]


def test_a_map_is_enlarged_by_its_own_cells():
    maps = np.arange(6).reshape(1, 2, 3)
    expected = np.kron(maps[0], np.ones((3, 2), dtype=int))
    assert np.array_equal(enlarged(maps, 6)[0], expected)


def test_more_clusters_than_patches_are_refused(coloured):
    about = {"dataset": "coloured", "split": "val"}
    tokens = np.zeros((6, 2, 2, 3), np.float32)
    features = Features(tokens, [item.id for item in coloured[1].items], about)
    with pytest.raises(UserError, match="clusters 25: more clusters than the 24 patches"):
        cluster_maps(features, 25, Overcluster())


def test_a_number_that_cannot_be_is_told_before_the_others_are_clustered(monkeypatch, coloured):
    about = {"dataset": "coloured", "split": "val", "image_size": 16}
    tokens = np.zeros((len(coloured[1]), 2, 2, 3), np.float32)
    features = Features(tokens, [item.id for item in coloured[1].items], about)
    monkeypatch.setattr(Features, "matches", lambda *_: None)
    monkeypatch.setattr(overcluster, "kmeans", lambda *_, **__: pytest.fail("clusters"))
    with pytest.raises(UserError, match="clusters 9999: more clusters"):
        overcluster.evaluate(features, coloured[1], Overcluster(clusters=["classes", 9999]))
