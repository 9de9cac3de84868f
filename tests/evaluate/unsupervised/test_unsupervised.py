"""Unsupervised segmentation: parts against slow twins, the whole on features that are separable."""

import json
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from neco.config.evaluation import Unsupervised
from neco.data.dataset import Dataset, Item
from neco.errors import UserError
from neco.evaluate.unsupervised.attention import read_attention
from neco.evaluate.unsupervised.communities import co_occurrence, communities, links
from neco.evaluate.unsupervised.evaluate import evaluate, matched_classes
from neco.evaluate.unsupervised.foreground import choose_threshold, cluster_precision
from neco.features import Features

CLASSES = ["background", "left", "right"]
CELLS = 8


def slow_co_occurrence(maps, count, distances):
    total, seen = np.zeros((count, count)), np.zeros(count)
    for image in maps:
        pairs = np.zeros((count, count))
        height, width = image.shape
        for y in range(height):
            for x in range(width):
                for d in distances:
                    for dy in (-d, 0, d):
                        for dx in (-d, 0, d):
                            v, u = y + dy, x + dx
                            if (dy, dx) == (0, 0) or not (0 <= v < height and 0 <= u < width):
                                continue
                            if image[y, x] >= 0 and image[v, u] >= 0:
                                pairs[image[y, x], image[v, u]] += 1
        for i in range(count):
            if pairs[i].sum():
                total[i] += pairs[i] / pairs[i].sum()
                seen[i] += 1
    return total / np.maximum(seen, 1)[:, None]


@pytest.mark.parametrize("distances", [(1,), (1, 2), (3,)])
def test_co_occurrence_equals_the_double_loop(distances):
    maps = np.random.default_rng(0).integers(-1, 5, (4, 6, 5))
    found = co_occurrence(maps, 6, distances)
    np.testing.assert_allclose(found, slow_co_occurrence(maps, 6, distances), atol=1e-12)
    assert np.allclose(found.sum(axis=1)[:5], 1) and found[5].sum() == 0


def test_precision_counts_marked_patches():
    rng = np.random.default_rng(1)
    clusters, marked = rng.integers(0, 7, (3, 5, 5)), rng.random((3, 5, 5)) < 0.4
    found = cluster_precision(clusters, marked, 9)
    slow = [marked[clusters == k].mean() if (clusters == k).any() else 0 for k in range(9)]
    np.testing.assert_allclose(found, slow)


def test_the_threshold_is_the_one_that_agrees_with_attention():
    clusters = np.array([[0, 0, 0, 1, 1, 1, 2, 2, 2]])
    marked = np.array([[1, 1, 1, 1, 1, 0, 1, 0, 0]], bool)  # precisions 1, 2/3, 1/3
    precision = cluster_precision(clusters, marked, 3)
    threshold = choose_threshold(clusters, marked, precision, 0.05)
    assert 1 / 3 < threshold <= 2 / 3
    assert abs(threshold / 0.05 - round(threshold / 0.05)) < 1e-9


def test_links_ask_both_directions():
    company = np.array([[0, 0.5, 0.2], [0.1, 0, 0.0], [0.3, 0.9, 0]])
    assert links(company, 0.1) == [(0, 1, 0.1), (0, 2, 0.2)]
    assert links(company, 0.15) == [(0, 2, 0.2)]


def test_planted_communities_are_found_and_loners_stay_alone():
    groups = [[0, 1, 2, 3], [4, 5, 6], [7, 8, 9]]
    edges = [(i, j, 0.5) for group in groups for i in group for j in group if i < j]
    edges.append((3, 4, 0.01))
    found = communities(edges, 11, markov_time=1.0, preferred=3, seed=0)
    for group in groups:
        assert len({found[i] for i in group}) == 1
    assert len(set(found.tolist())) == 4 and set(found.tolist()) == set(range(4))
    alone = communities([], 4, markov_time=1.0, preferred=3, seed=0)
    assert sorted(alone.tolist()) == [0, 1, 2, 3]


def test_a_missing_extra_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "infomap", None)
    with pytest.raises(UserError, match="unsupervised") as caught:
        communities([(0, 1, 1.0)], 2, markov_time=1.0, preferred=2, seed=0)
    assert "\n" not in str(caught.value)


def split(folder, name: str, images: int, seed: int) -> tuple[Dataset, Features, torch.Tensor]:
    """Images with an object on the left or right half; features and attention that show it."""
    rng = np.random.default_rng(seed)
    items, tokens, attention = [], [], []
    (folder / name).mkdir(parents=True)
    for number in range(images):
        labels = np.zeros((CELLS, CELLS), np.uint8)
        which = 1 + number % 2
        labels[2:6, (0 if which == 1 else 4) : (4 if which == 1 else 8)] = which
        Image.fromarray(labels.repeat(4, 0).repeat(4, 1)).save(folder / name / f"{number}.png")
        items.append(
            Item(f"{name}{number}", folder / "no.jpg", folder / name / f"{number}.png", name)
        )
        tokens.append(np.eye(12)[labels * 3] + 0.05 * rng.normal(size=(CELLS, CELLS, 12)))
        attention.append((labels > 0) + 0.05 * rng.random(labels.shape))
    about = {
        "dataset": "tiny", "split": name, "image_size": 64, "grid": [CELLS, CELLS], "model": "x",
    }  # fmt: skip
    dataset = Dataset("tiny", folder, name, CLASSES, items)
    features = Features(np.stack(tokens).astype(np.float16), [i.id for i in items], about)
    return dataset, features, torch.from_numpy(np.stack(attention))[:, None].float()


SETTINGS = Unsupervised(
    mask_size=32, components=6, iterations=10, redos=1, foreground_clusters=12,
    clusters=6, seeds=[0, 1], bootstrap=0, attention_mass=0.6, preferred_modules=2,
)  # fmt: skip


@pytest.fixture
def splits(tmp_path):
    return split(tmp_path, "train", 12, 0), split(tmp_path, "val", 8, 1)


def test_separable_objects_are_segmented(splits, tmp_path):
    (train_data, train, seen), (val_data, val, looked) = splits
    maps = tmp_path / "maps.npz"
    metrics = evaluate(train, train_data, val, val_data, (seen, looked), SETTINGS, maps)
    assert metrics["headline"] == "K=3" and set(metrics["summary"]) == {"CBFE", "K=3"}
    assert metrics["summary"]["CBFE"]["mIoU"] > 95 and metrics["mIoU"] > 95
    assert metrics["conditions"]["train_images"] == 12
    predicted = np.load(maps)["classes"]
    truth = np.stack([item.read_mask() for item in val_data.items])
    assert predicted.shape == truth.shape and (predicted == truth).mean() > 0.97


def test_a_search_looks_at_training_labels_only(splits):
    (train_data, train, seen), (val_data, val, looked) = splits
    settings = SETTINGS.model_copy(update={"trials": 3, "search_clusters": (4, 8), "seeds": [0]})
    metrics = evaluate(train, train_data, val, val_data, (seen, looked), settings)
    details = metrics["results"][0]["details"]
    assert details["searched"] == 3 and 4 <= metrics["settings"]["clusters"] <= 8
    swapped = Dataset("tiny", val_data.folder, "val", CLASSES, val_data.items[::-1])
    turned = Features(val.tokens[::-1].copy(), [i.id for i in swapped.items], val.about)
    again = evaluate(train, train_data, turned, swapped, (seen, looked.flip(0)), settings)
    assert again["results"][0]["details"]["train_mIoU"] > 0


def test_names_of_segments_do_not_matter_but_their_place_does():
    rng = np.random.default_rng(3)
    masks = rng.integers(0, 3, (4, 16, 16)).astype(np.uint8)
    segments = masks.astype(np.int64)
    renamed = np.array([2, 0, 1])[segments]
    assert (matched_classes(renamed, masks, 3) == masks).all()
    extra = segments.copy()
    extra[:, 0] = 5  # a segment too many goes to class 0
    assert (matched_classes(extra, masks, 3)[:, 0] == 0).all()


def test_attention_of_other_images_is_refused(splits, tmp_path):
    (_, train, seen), (_, val, _) = splits
    path = tmp_path / "a.npz"
    np.savez(path, attention=seen[:, 0].numpy(), ids=np.array(json.dumps(train.ids)))
    assert read_attention(path, train).shape == (12, 1, CELLS, CELLS)
    with pytest.raises(UserError, match="not of the images"):
        read_attention(path, val)
