"""The whole protocol on features that are separable."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from neco.config.unsupervised import Unsupervised
from neco.data.dataset import Dataset, Item
from neco.errors import UserError
from neco.evaluate.unsupervised.attention import read_attention
from neco.evaluate.unsupervised.evaluate import evaluate, matched_classes
from neco.features import Features

CLASSES = ["background", "left", "right"]
CELLS = 8


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
    clusters=6, seeds=[0, 1], foreground_seeds=[0, 1, 2], bootstrap=0, attention_mass=0.6,
    preferred_modules=2, threshold_cuts=(0.2, 0.95), background_neighbour=False,
)  # fmt: skip
"""Each image has one object, so background would lie beside every cluster alike."""


@pytest.fixture
def splits(tmp_path):
    return split(tmp_path, "train", 12, 0), split(tmp_path, "val", 8, 1)


@pytest.mark.parametrize(
    "choice",
    [
        {},
        {"threshold_by": "attention", "enlarged": False, "clustering_seed": None},
        {"unit_length": False, "neighbourhood": "released"},
    ],
)
def test_separable_objects_are_segmented(splits, tmp_path, choice):
    (train_data, train, seen), (val_data, val, looked) = splits
    maps = tmp_path / "maps.npz"
    settings = SETTINGS.model_copy(update=choice)
    metrics = evaluate(train, train_data, val, val_data, (seen, looked), settings, maps)
    assert metrics.headline == "K=3"
    assert set(metrics.summary) == {"CBFE", "K=3", "K=3, all seeds"}
    assert metrics.summary["CBFE"].seeds == 3
    assert metrics.summary["CBFE"].mIoU > 95 and metrics.mIoU > 95
    assert metrics.conditions.train_images == 12
    predicted = np.load(maps)["classes"]
    truth = np.stack([item.read_mask() for item in val_data.items])
    assert predicted.shape == truth.shape and (predicted == truth).mean() > 0.97


def test_the_best_seed_or_the_mean_is_reported_and_the_other_kept(splits):
    (train_data, train, seen), (val_data, val, looked) = splits
    found = {}
    for choice in ("best", "mean"):
        settings = SETTINGS.model_copy(
            update={"reported": choice, "clustering_seed": None, "clusters": 11, "iterations": 1}
        )
        found[choice] = evaluate(train, train_data, val, val_data, (seen, looked), settings)
    best, mean = (found[choice].summary for choice in ("best", "mean"))
    assert best["K=3"].seeds == 1 and best["K=3, all seeds"] == mean["K=3"]
    assert mean["K=3, best seed"].mIoU == best["K=3"].mIoU == found["best"].mIoU
    assert best["K=3"].mIoU >= mean["K=3"].mIoU == found["mean"].mIoU


def test_a_search_looks_at_training_labels_only(splits):
    (train_data, train, seen), (val_data, val, looked) = splits
    settings = SETTINGS.model_copy(
        update={"trials": 3, "search_clusters": (4, 8, 2), "preset": "released"}
    )
    metrics = evaluate(train, train_data, val, val_data, (seen, looked), settings)
    details = metrics.results[-1].details
    assert details["searched"] == 3 and metrics.settings["clusters"] in (4, 6, 8)
    other = Dataset(
        "tiny", val_data.folder, "val", CLASSES, val_data.items[1:] + val_data.items[:1]
    )
    wrong = Features(val.tokens, [i.id for i in other.items], val.about)  # labels of other images
    again = evaluate(train, train_data, wrong, other, (seen, looked), settings)
    assert again.settings == metrics.settings and again.mIoU < metrics.mIoU
    assert again.results[-1].details["train_mIoU"] == details["train_mIoU"]


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
