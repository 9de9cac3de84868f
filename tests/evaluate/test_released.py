"""The preset `released` of each protocol against slow twins that do what the released code does.

Source of the steps: vpariza/NeCo (linear, overclustering) and open-hummingbird-eval (in-context),
written anew, pixel by pixel where those are.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.optimize import linear_sum_assignment
from torch import nn
from torch.nn.functional import cross_entropy, interpolate

from neco.backbones.backbone import PatchColours
from neco.config.extraction import Extraction
from neco.config.in_context import InContext
from neco.config.linear import Linear
from neco.config.overcluster import Overcluster
from neco.errors import UserError
from neco.evaluate import in_context, linear, overcluster
from neco.evaluate.augment import crop_box
from neco.evaluate.in_context import best_partners
from neco.evaluate.linear import augmented_batches
from neco.evaluate.metrics import Tally
from neco.evaluate.search.fill_bank import fill_augmented_bank
from neco.evaluate.subsets import random_subset
from neco.features import extract_features
from neco.normalisation import IMAGENET, RELEASED, normalisation_of
from neco.transforms import nearest_index

SIDE = 40
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def features(coloured, tmp_path_factory):
    folder = tmp_path_factory.mktemp("features")
    settings = Extraction(workers=0, dtype="float32")
    return [
        extract_features(PatchColours(4), split, SIDE, settings, folder / split.split, {})
        for split in coloured
    ]


def floored(labels, size):
    """Labels (images, rows, columns) by PyTorch's own `nearest`."""
    tensor = torch.from_numpy(np.asarray(labels)).float()[:, None]
    return interpolate(tensor, (size, size), mode="nearest")[:, 0].long().numpy()


def pillows(mask, side):
    return np.array(Image.fromarray(mask).resize((side, side), Image.Resampling.NEAREST))


def obvious_miou(predicted, target, classes):
    """IoU of every class by whole masks of pixels; a class without a pixel counts as 0."""
    ious = []
    for k in range(classes):
        hit, either = (predicted == k) & (target == k), (predicted == k) | (target == k)
        ious.append(hit.sum() / max(either.sum(), 1e-8))
    return 100 * np.mean(ious)


@given(st.integers(1, 600), st.integers(1, 600))
def test_flooring_is_pytorchs_nearest(source, target):
    row = torch.arange(source).float()[None, None]
    expected = interpolate(row, target, mode="nearest")[0, 0].long().numpy()
    assert np.array_equal(nearest_index(source, target, "floor"), expected)


@pytest.mark.parametrize(("patches", "columns"), [(16, 8), (32, 16)])
def test_some_of_a_hundred_columns_read_another_patch(patches, columns):
    differ = nearest_index(patches, 100) != nearest_index(patches, 100, "floor")
    assert differ.sum() == columns


@pytest.mark.parametrize("seed", [0, 1])
def test_overclustering_is_the_released_code(features, coloured, seed):
    val, dataset = features[0], coloured[0]
    settings = Overcluster(
        preset="released", image_size=SIDE, mask_size=23, clusters=[9], iterations=15, redos=1,
        seeds=[seed], whole_batches=5,
    )  # fmt: skip
    found = overcluster.evaluate(val, dataset, settings)
    assert found.conditions.val_images == 10  # two batches of five of the twelve
    assert found.conditions.resampling == "floor"
    kept = replace(val, tokens=val.tokens[:10], ids=val.ids[:10])
    maps = floored(overcluster.cluster_maps(kept, 9, settings, seed), 23)
    masks = [pillows(item.read_mask(), SIDE) for item in dataset.items[:10]]
    masks = floored(masks, 23)
    clusters, target = maps[masks != 255], masks[masks != 255]
    predicted = np.zeros_like(clusters)
    for cluster in range(9):
        inside = target[clusters == cluster]
        if len(inside):  # the first class of the highest precision
            precisions = [(inside == k).mean() for k in range(4)]
            predicted[clusters == cluster] = int(np.argmax(precisions))
    assert found.mIoU == pytest.approx(obvious_miou(predicted, target, 4), abs=1e-3)


def test_the_linear_head_is_the_released_code(features, coloured):
    """Batches in the index's order, the last one dropped, a step of the rate, the best epoch."""
    train, val = features
    settings = Linear(
        preset="released", image_size=SIDE, mask_size=23, epochs=6, decay_epochs=4, batch_size=5,
        learning_rate=0.5, shuffle=False, whole_batches=4, augment=False,
    )  # fmt: skip
    found = linear.evaluate(train, coloured[0], val, coloured[1], settings)
    torch.manual_seed(0)
    head = nn.Conv2d(train.tokens.shape[-1], 4, 1)
    optimiser = torch.optim.SGD(head.parameters(), 0.5, momentum=0.9, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, step_size=4, gamma=0.1)

    def read(features, dataset, some):
        tokens = torch.from_numpy(np.array(features.tokens[some])).permute(0, 3, 1, 2)
        masks = [pillows(item.read_mask(), SIDE) for item in dataset.items[some]]
        return interpolate(tokens, (23, 23), mode="bilinear"), floored(masks, 23)

    curve = []
    for _ in range(6):
        for start in (0, 5):  # images 10 and 11 never train it
            tokens, masks = read(train, coloured[0], slice(start, start + 5))
            loss = cross_entropy(head(tokens), torch.from_numpy(masks), ignore_index=255)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        schedule.step()
        with torch.no_grad():
            tokens, target = read(val, coloured[1], slice(0, 4))  # one batch of four of the six
            predicted = head(tokens).argmax(1).numpy()
        valid = target != 255
        curve.append(obvious_miou(predicted[valid], target[valid], 4))
    assert found.results[0].details["curve"] == pytest.approx(curve, abs=0.05)
    assert found.mIoU == pytest.approx(max(curve), abs=0.05)
    assert found.conditions.val_images == 4


def test_released_training_masks_are_flipped_before_they_are_floored(coloured):
    """The crop by Pillow to the input size, the flip, then PyTorch's nearest."""
    train, _ = coloured
    settings = Linear(
        preset="released", image_size=SIDE, mask_size=23, epochs=1, decay_epochs=None,
        batch_size=12, shuffle=False, flip_probability=1.0,
    )  # fmt: skip
    arguments = (PatchColours(4), train, np.arange(12), SIDE, settings, Extraction(workers=0), 3)
    ((_, masks),) = list(next(augmented_batches(*arguments, CPU)))
    for number, mask in enumerate(masks.numpy()):
        generator = np.random.default_rng([3, 0, number])
        item = train.items[number]
        read = item.read_mask()
        left, top, right, bottom = crop_box(*read.shape, settings.crop_scale, generator)
        crop = pillows(read[top:bottom, left:right], SIDE)[:, ::-1]
        assert np.array_equal(mask, floored([crop.copy()], 23)[0])


def hummingbird(**changes):
    return InContext(preset="hummingbird", **{"image_size": SIDE, "neighbours": 7, **changes})


def test_in_context_is_the_open_implementation(features, coloured):
    """One after the other: floored masks, every patch in the bank, Hungarian on IoU."""
    train, val = features
    settings = hummingbird(
        fractions=[1], augmentation={"epochs": 0}, colours="backbone", memory_size=10**6
    )
    found = in_context.evaluate(train, coloured[0], val, coloured[1], settings)

    def masks(dataset):
        return [floored([item.read_mask()], SIDE)[0] for item in dataset.items]

    keys, labels = [], []
    for tokens, mask in zip(train.tokens, masks(coloured[0]), strict=True):
        one_hot = np.eye(4)[np.where(mask == 255, 0, mask)]
        labels.append(one_hot.reshape(10, 4, 10, 4, 4).mean(axis=(1, 3)).reshape(100, 4))
        keys.append(tokens.reshape(100, -1))
    keys, labels = np.concatenate(keys).astype(np.float64), np.concatenate(labels)
    keys /= np.linalg.norm(keys, axis=1, keepdims=True)
    predicted, target = [], []
    for tokens, mask in zip(val.tokens, masks(coloured[1]), strict=True):
        queries = tokens.reshape(100, -1) / np.linalg.norm(tokens.reshape(100, -1), axis=1)[:, None]
        cosines = queries @ keys.T
        nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :7]
        weights = np.exp(np.take_along_axis(cosines, nearest, axis=1) / 0.02)
        weights /= weights.sum(axis=1, keepdims=True)
        soft = np.einsum("qk,qkc->qc", weights, labels[nearest]).reshape(1, 10, 10, 4)
        large = interpolate(
            torch.from_numpy(soft).permute(0, 3, 1, 2), (SIDE, SIDE), mode="bilinear"
        )
        predicted.append(large[0].argmax(0).numpy())
        target.append(mask)
    predicted, target = np.stack(predicted), np.stack(target)
    predicted, target = predicted[target != 255], target[target != 255]
    before = obvious_miou(predicted, target, 4)
    expected = obvious_miou(obviously_matched(predicted, target, 4), target, 4)
    details = found.results[0].details
    assert found.mIoU == pytest.approx(expected, abs=0.1)  # equal distances may be ordered anew
    assert details["mIoU_unmatched"] == pytest.approx(before, abs=0.1)
    assert found.conditions.mask_resolution == str(SIDE)


def obviously_matched(predicted, target, classes):
    """Predictions renamed by the Hungarian matching that gives the highest sum of IoU."""
    iou = np.zeros((classes, classes))
    for true in range(classes):
        for guess in range(classes):
            hit = ((target == true) & (predicted == guess)).sum()
            iou[true, guess] = hit / max(((target == true) | (predicted == guess)).sum(), 1e-8)
    renamed = np.zeros_like(predicted)
    for true, guess in zip(*linear_sum_assignment(1 - iou), strict=True):
        renamed[predicted == guess] = true
    return renamed


@given(st.integers(0, 10_000), st.integers(2, 6))
def test_matching_predictions_is_the_hungarian_of_all_pixels(seed, classes):
    generator = np.random.default_rng(seed)
    target = generator.integers(0, classes, 400)
    names = generator.permutation(classes)
    predicted = np.where(generator.random(400) < 0.7, names[target], generator.integers(0, classes))
    score = Tally([str(k) for k in range(classes)])
    score.update(predicted, target)
    matched = Tally(score.names)
    matched.add(score.table[:, best_partners(score.table)])
    expected = obvious_miou(obviously_matched(predicted, target, classes), target, classes)
    assert matched.result("", 0).mIoU == pytest.approx(expected, abs=1e-3)
    assert matched.result("", 0).mIoU >= score.result("", 0).mIoU - 1e-3


def test_swapped_classes_are_forgiven_by_the_matching_and_unlabelled_predictions_are_not():
    target = np.array([[0, 0, 1, 1, 2, 2]])
    score = Tally(list("abc"))
    score.update(np.array([[1, 1, 0, 0, 255, 255]]), target)
    assert score.result("", 0).mIoU == 0.0
    found = score.table[:, best_partners(score.table)]
    assert found[:2, :2].tolist() == [[2, 0], [0, 2]]
    assert np.diagonal(found)[2] == 2  # "none" is a prediction of its own: ADE20K's class 0


def test_the_open_implementations_colours_reach_the_bank_and_have_to_fit(features, coloured):
    train, _ = coloured
    settings = hummingbird(augmentation={"epochs": 1}, memory_size=10**6)
    extraction = Extraction(workers=0, batch_size=12, dtype="float32")
    assert normalisation_of(settings.colours, IMAGENET)[1] == (0.229, 0.224, 0.255)
    seen = []
    backbone = PatchColours(4)
    backbone.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    for normalisation in (IMAGENET, RELEASED["hummingbird"]):
        fill_augmented_bank(
            backbone, train, SIDE, np.arange(12), settings, 0, extraction=extraction,
            normalisation=normalisation,
        )  # fmt: skip
    torch.testing.assert_close(seen[1][:, 2] * 0.255, seen[0][:, 2] * 0.225)
    torch.testing.assert_close(seen[1][:, :2], seen[0][:, :2])
    with pytest.raises(UserError, match="extract them again with --colours hummingbird"):
        in_context.evaluate(features[0], train, features[1], coloured[1], settings)


def test_a_random_fraction_is_rounded_down_and_drawn_by_seed():
    assert len(random_subset(10_582, 128, 0)) == int(10_582 / 128) == 82
    drawn = np.stack([random_subset(40, 8, seed) for seed in range(400)])
    assert all(len(np.unique(row)) == 5 for row in drawn)
    assert np.array_equal(drawn[3], random_subset(40, 8, 3))
    shares = np.bincount(drawn.ravel(), minlength=40) / 400
    np.testing.assert_allclose(shares, 1 / 8, atol=0.07)


def test_ade20ks_ignored_class_counts_as_zero(coloured):
    """151 classes of which 0 is never scored, against the mean over the others."""
    generator = np.random.default_rng(0)
    target = generator.integers(0, 5, (30, 30))  # 0 is "other"
    predicted = np.where(generator.random((30, 30)) < 0.7, target, generator.integers(1, 5))
    predicted[target == 0] = 1
    scored = target != 0
    expected = obvious_miou(predicted[scored], target[scored], 5)
    dataset = replace(coloured[1], classes=list("abcd"))
    for convention, value in (("zero", expected), ("left out", expected * 5 / 4)):
        score = Tally.of(dataset, Linear(ignored_class=convention))
        score.update(predicted - 1, np.where(scored, target - 1, 255))
        result = score.result("", 0)
        assert result.mIoU == pytest.approx(value, abs=1e-3)
        assert result.interval[0] <= result.mIoU <= result.interval[1]


def test_the_conditions_state_how_many_classes_are_averaged(features, coloured):
    settings = Linear(image_size=SIDE, mask_size=20, epochs=1, augment=False)
    for convention, classes in (("left out", 4), ("zero", 5)):
        chosen = settings.model_copy(update={"ignored_class": convention})
        found = linear.evaluate(features[0], coloured[0], features[1], coloured[1], chosen)
        assert found.conditions.averaged_classes == classes
