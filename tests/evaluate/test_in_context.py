from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import softmax

from neco.backbones.backbone import PatchColours
from neco.config.extraction import Extraction
from neco.config.in_context import BankAugmentation, InContext, Ivf, Scann
from neco.errors import UserError
from neco.evaluate.augment import AugmentedImages
from neco.evaluate.in_context import evaluate, label_map, predict
from neco.evaluate.metrics import class_iou, confusion, margins
from neco.evaluate.search import exact
from neco.evaluate.search.fill_bank import fill_augmented_bank
from neco.features import Features, extract_features
from neco.transforms import resize_nearest


@pytest.fixture(scope="module")
def features(coloured, tmp_path_factory):
    folder = tmp_path_factory.mktemp("features")
    backbone = PatchColours(8)
    settings = Extraction(workers=0, dtype="float32")
    about = {"model": "colours", "weights_digest": "d1", "method": "none"}
    return [
        extract_features(backbone, split, 40, settings, folder / split.split, about)
        for split in coloured
    ]


def twin(train, train_dataset, val, val_dataset, k, temperature, classes):
    """The protocol image by image and patch by patch, every patch of every image in the bank."""
    keys, labels = [], []
    for tokens, item in zip(train.tokens, train_dataset.items, strict=True):
        mask = resize_nearest(item.read_mask(), 40, 40)
        one_hot = np.eye(classes)[np.where(mask == 255, 0, mask)]
        for row in range(5):
            for column in range(5):
                keys.append(tokens[row, column] / np.linalg.norm(tokens[row, column]))
                cell = one_hot[8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
                labels.append(cell.mean(axis=(0, 1)))
    keys, labels = np.array(keys, dtype=np.float32), np.array(labels)
    table = np.zeros((classes, classes + 1), dtype=int)
    for tokens, item in zip(val.tokens, val_dataset.items, strict=True):
        soft = np.zeros((5, 5, classes))
        for row in range(5):
            for column in range(5):
                cosines = keys @ (tokens[row, column] / np.linalg.norm(tokens[row, column]))
                nearest = np.argsort(-cosines, kind="stable")[:k]
                weights = softmax(cosines[nearest] / temperature)
                soft[row, column] = weights @ labels[nearest]
        mask = item.read_mask()
        enlarged = torch.nn.functional.interpolate(
            torch.from_numpy(soft).permute(2, 0, 1)[None], mask.shape, mode="bilinear"
        )
        table += confusion(enlarged[0].argmax(0).numpy(), mask, classes)
    return class_iou(margins(table))


def test_whole_bank_equals_the_protocol_written_out(features, coloured):
    train, val = features
    settings = InContext(image_size=40, fractions=[1], neighbours=7, temperature=0.1)
    found = evaluate(train, coloured[0], val, coloured[1], settings)
    expected = twin(train, coloured[0], val, coloured[1], 7, 0.1, 4)
    ious = [found.results[0].per_class_iou[name] for name in coloured[0].classes]
    np.testing.assert_allclose(ious, 100 * expected, atol=0.05)
    assert found.mIoU > 60  # colours solve coloured rectangles


def test_swapping_two_predicted_classes_lowers_the_score(features, coloured):
    train, val = features
    settings = InContext(image_size=40, fractions=[1], neighbours=7)
    maps = predict(train, coloured[0], val, coloured[1], list(range(6)), settings)
    table, swapped = np.zeros((4, 5), dtype=int), np.zeros((4, 5), dtype=int)
    swap = np.array([0, 2, 1, 3])
    for predicted, item in zip(maps, coloured[1].items, strict=True):
        table += confusion(predicted, item.read_mask(), 4)
        swapped += confusion(swap[predicted], item.read_mask(), 4)
    honest = 100 * class_iou(margins(table)).mean()
    assert evaluate(train, coloured[0], val, coloured[1], settings).mIoU == pytest.approx(
        honest, abs=1e-3
    )
    assert 100 * class_iou(margins(swapped)).mean() < honest - 20


def test_fractions_and_seeds_make_the_papers_rows(features, coloured):
    train, val = features
    settings = InContext(image_size=40, fractions=[1, 4], seeds=[0, 1, 2], neighbours=5)
    found = evaluate(train, coloured[0], val, coloured[1], settings)
    assert [(r.setting, r.seed) for r in found.results] == [
        ("1/1", 0),
        ("1/4", 0),
        ("1/4", 1),
        ("1/4", 2),
    ]
    assert [r.details["images"] for r in found.results] == [12, 3, 3, 3]
    assert found.summary["1/4"].seeds == 3
    assert found.headline == "1/1"
    assert found.model == "colours"
    assert found.about == {"method": "none"}
    conditions = found.conditions
    assert (conditions.input_size, conditions.mask_resolution) == (40, "full")
    assert (conditions.weights_digest, conditions.memory_patches) == ("d1", 300)
    assert conditions.exact
    low, high = found.results[0].interval
    assert low <= found.results[0].mIoU <= high
    again = evaluate(train, coloured[0], val, coloured[1], settings)
    assert again.results == found.results


def test_a_small_memory_takes_an_equal_share_of_every_image(features, coloured, tmp_path):
    train, val = features
    settings = InContext(image_size=40, fractions=[1], memory_size=60, neighbours=5)
    found = evaluate(train, coloured[0], val, coloured[1], settings)
    assert found.conditions.memory_patches == 60
    mapped = evaluate(train, coloured[0], val, coloured[1], settings, bank_folder=tmp_path)
    assert mapped.results == found.results


def test_eight_bits_and_a_mapped_bank_give_the_same_results(features, coloured, monkeypatch):
    train, val = features
    monkeypatch.setattr(exact, "SMALL", 100)
    settings = InContext(image_size=40, fractions=[1], neighbours=5)
    found = evaluate(train, coloured[0], val, coloured[1], settings)
    small = settings.model_copy(update={"storage": "int8", "mapped": True})
    again = evaluate(train, coloured[0], val, coloured[1], small)
    assert again.results == found.results
    assert "int8" in again.conditions.search
    assert "int8" not in found.conditions.search


AUGMENTED = InContext(
    image_size=40,
    fractions=[1],
    memory_size=12 * 3 * 10,
    neighbours=7,
    augmentation=BankAugmentation(epochs=3, crop_scale=(0.6, 1.0)),
)


def test_augmented_passes_send_changed_images_through_the_backbone(features, coloured, tmp_path):
    _, val = features
    backbone = PatchColours(8)
    seen = []
    backbone.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    arguments = (None, coloured[0], val, coloured[1], AUGMENTED)
    more = {"backbone": backbone, "extraction": Extraction(workers=0, batch_size=5)}
    found = evaluate(*arguments, **more)
    images = torch.cat(seen)
    assert len(images) == 3 * 12
    assert images.flatten(1).unique(dim=0).shape[0] == 36  # every pass changes them anew
    assert found.conditions.augment is True
    assert found.conditions.memory_patches == 360
    assert found.mIoU > 60
    assert evaluate(*arguments, **more, bank_folder=tmp_path).results == found.results


def test_an_augmented_bank_holds_the_crops_own_patches(coloured):
    train, _ = coloured
    settings = AUGMENTED.model_copy(update={"memory_size": 2 * 3 * 25})  # all 25 of each crop
    bank = fill_augmented_bank(
        PatchColours(8), train, 40, np.array([4, 9]), settings, 1,
        extraction=Extraction(workers=0, batch_size=3),
    )  # fmt: skip
    subset = replace(train, items=[train.items[4], train.items[9]])
    tokens, soft = [], []
    for epoch in range(3):
        crops = AugmentedImages(
            subset, 40, 40, (1, epoch), (0.6, 1.0), jitter=0.1, jitter_probability=0.5
        )
        for image, mask in (crops[0], crops[1]):
            tokens.append(PatchColours(8)(image[None]).reshape(25, -1).numpy())
            one_hot = np.eye(4)[np.where(mask == 255, 0, mask)]
            soft.append(one_hot.reshape(5, 8, 5, 8, 4).mean(axis=(1, 3)).reshape(25, 4))
    np.testing.assert_array_equal(bank.tokens, np.concatenate(tokens).astype(np.float16))
    np.testing.assert_allclose(bank.soft.toarray(), np.concatenate(soft), atol=1e-6)


def test_what_fills_the_bank_is_asked_for(features, coloured):
    train, val = features
    with pytest.raises(UserError, match="sends images through the backbone"):
        evaluate(train, coloured[0], val, coloured[1], AUGMENTED)
    with pytest.raises(UserError, match="made of training features"):
        evaluate(None, coloured[0], val, coloured[1], InContext(image_size=40, fractions=[1]))


@pytest.mark.parametrize("backend", ["faiss-ivf", "scann"])
def test_an_approximate_backend_reports_its_recall_and_its_effect(features, coloured, backend):
    if backend == "scann":
        pytest.importorskip("scann")
    train, val = features
    settings = InContext(
        image_size=40,
        fractions=[1],
        neighbours=7,
        search=backend,
        ivf=Ivf(lists=7, lists_to_search=1),
        scann=Scann(leaves=7, leaves_to_search=1),
        recall_sample=1000,
    )
    found = evaluate(train, coloured[0], val, coloured[1], settings)
    exact = evaluate(
        train, coloured[0], val, coloured[1], settings.model_copy(update={"search": "exact"})
    )
    details = found.results[0].details
    assert found.conditions.exact is False
    assert found.conditions.recall == details["recall"]
    assert 0.2 < details["recall"] < 1.0
    assert details["sample_images"] == 6  # all of them, so the change is that of the whole split
    assert details["mIoU_change"] == pytest.approx(found.mIoU - exact.mIoU, abs=1e-3)
    assert exact.conditions.recall is None


def test_masks_may_be_brought_to_the_input_size(features, coloured):
    train, val = features
    settings = InContext(image_size=40, fractions=[1], mask_size="input", bootstrap=0)
    found = evaluate(train, coloured[0], val, coloured[1], settings)
    assert found.conditions.mask_resolution == "40"
    assert found.results[0].interval is None


def test_interpolating_only_held_classes_changes_nothing():
    generator = np.random.default_rng(0)
    soft = generator.random((6, 7, 30)).astype(np.float32) * (generator.random(30) < 0.3)
    scores = torch.from_numpy(soft).permute(2, 0, 1)[None]
    every = torch.nn.functional.interpolate(scores, (50, 61), mode="bilinear")[0].argmax(0)
    assert np.array_equal(label_map(soft, 30, 50, 61), every.numpy())


def test_unlabelled_patches_vote_for_no_class_where_there_is_no_background():
    soft = np.zeros((1, 2, 3), dtype=np.float32)
    soft[0, 0, 1], soft[0, 1, 2] = 1.0, 1.0
    assert label_map(soft, 2, 2, 4).tolist() == [[1, 1, 255, 255]] * 2


def test_features_that_do_not_belong_are_refused(features, coloured):
    train, val = features
    settings = InContext(image_size=40, fractions=[1])
    with pytest.raises(UserError, match="extract them again"):
        evaluate(val, coloured[0], val, coloured[1], settings)
    smaller = Features(val.tokens, val.ids, {**val.about, "image_size": 32})
    with pytest.raises(UserError, match="the same image_size"):
        evaluate(train, coloured[0], smaller, coloured[1], settings)
