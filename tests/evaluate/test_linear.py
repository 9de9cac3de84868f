import numpy as np
import pytest
import torch
from torch import nn

from neco.backbones.backbone import PatchColours
from neco.config.extraction import Extraction
from neco.config.linear import Linear
from neco.errors import UserError
from neco.evaluate.linear import BEST_EPOCH, LAST_EPOCH, cached_batches, evaluate, fit
from neco.evaluate.result import FULL_RESOLUTION
from neco.features import extract_features
from neco.transforms import resize_nearest

SETTINGS = Linear(
    image_size=40, mask_size=20, epochs=12, batch_size=4, learning_rate=0.3, augment=False
)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def features(coloured, tmp_path_factory):
    folder = tmp_path_factory.mktemp("features")
    settings = Extraction(workers=0, dtype="float32")
    return [
        extract_features(PatchColours(4), split, 40, settings, folder / split.split, {"model": "c"})
        for split in coloured
    ]


def test_head_equals_interpolating_tokens_first(features, coloured):
    """The paper's order, one step after the other, with the same start and batches."""
    train, _ = features
    settings = SETTINGS.model_copy(update={"epochs": 2})
    chosen = np.arange(12)
    batches = cached_batches(train, coloured[0], chosen, settings, 0)
    *_, head = fit(batches, 12, 4, settings, 0, CPU)
    torch.manual_seed(0)
    twin = nn.Conv2d(12, 4, 1)
    optimiser = torch.optim.SGD(twin.parameters(), 0.3, momentum=0.9, weight_decay=1e-4)
    generator = np.random.default_rng([0, 1])
    for _ in range(2):
        order = generator.permutation(12)
        for start in range(0, 12, 4):
            picked = order[start : start + 4]
            tokens = torch.from_numpy(train.tokens[picked]).permute(0, 3, 1, 2)
            masks = [resize_nearest(coloured[0].items[i].read_mask(), 20, 20) for i in picked]
            large = nn.functional.interpolate(tokens, (20, 20), mode="bilinear")
            loss = nn.functional.cross_entropy(
                twin(large), torch.from_numpy(np.stack(masks)).long(), ignore_index=255
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    torch.testing.assert_close(head.weight, twin.weight, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(head.bias, twin.bias, atol=1e-5, rtol=1e-4)


def test_both_resolutions_are_reported_and_labelled(features, coloured):
    train, val = features
    found = evaluate(train, coloured[0], val, coloured[1], SETTINGS)
    assert [(r.setting, r.mask_resolution) for r in found.results] == [
        ("", None),
        (FULL_RESOLUTION, "full"),
        (BEST_EPOCH, None),
    ]
    assert found.conditions.mask_resolution == "20x20"
    assert found.conditions.augment is False
    assert found.mIoU == found.results[0].mIoU > 70  # colours solve coloured rectangles


def test_the_protocol_sends_augmented_images_through_the_backbone(features, coloured):
    _, val = features
    backbone = PatchColours(4)
    seen = []
    backbone.register_forward_hook(lambda module, inputs, output: seen.append(len(inputs[0])))
    settings = SETTINGS.model_copy(update={"augment": True, "epochs": 6, "full_resolution": False})
    extraction = Extraction(workers=0)
    found = evaluate(
        None, coloured[0], val, coloured[1], settings, backbone=backbone, extraction=extraction
    )
    assert sum(seen) == 6 * 12
    assert found.conditions.augment is True
    assert found.mIoU > 60
    assert [r.setting for r in found.results] == ["", BEST_EPOCH]


def test_last_and_best_epoch_are_both_recorded_and_either_can_be_the_result(features, coloured):
    train, val = features
    shaky = SETTINGS.model_copy(
        update={"learning_rate": 3.0, "epochs": 6, "full_resolution": False}
    )
    last, best = (
        evaluate(
            train, coloured[0], val, coloured[1], shaky.model_copy(update={"reported": reported})
        )
        for reported in ("last", "best")
    )
    curve = last.results[0].details["curve"]
    assert len(curve) == 6 and max(curve) > curve[-1] == last.mIoU == curve[5]
    assert best.mIoU == max(curve) == last.summary[BEST_EPOCH].mIoU
    assert best.summary[LAST_EPOCH].mIoU == last.mIoU
    about = best.results[0].details
    assert (about["epoch"], about["best_of_epochs"]) == (1 + curve.index(max(curve)), 6)


def test_no_full_batch_is_refused_where_the_others_are_dropped(features, coloured):
    train, val = features
    settings = SETTINGS.model_copy(update={"drop_last": True, "batch_size": 13})
    with pytest.raises(UserError, match="leaves none of 12 training images"):
        evaluate(train, coloured[0], val, coloured[1], settings)
    settings = SETTINGS.model_copy(update={"whole_batches": 7})
    with pytest.raises(UserError, match="has 6 images, fewer than one batch of 7"):
        evaluate(train, coloured[0], val, coloured[1], settings)


def test_a_share_of_the_training_images_is_drawn_by_seed(features, coloured):
    train, val = features
    settings = SETTINGS.model_copy(update={"train_fraction": 0.25, "epochs": 1, "seeds": [0, 1]})
    found = evaluate(train, coloured[0], val, coloured[1], settings)
    assert {r.details["images"] for r in found.results} == {3}
    assert found.summary[""].seeds == 2


def test_what_is_missing_is_said(features, coloured):
    train, val = features
    with pytest.raises(UserError, match="augment is true"):
        evaluate(
            train, coloured[0], val, coloured[1], SETTINGS.model_copy(update={"augment": True})
        )
    with pytest.raises(UserError, match="needs training features"):
        evaluate(None, coloured[0], val, coloured[1], SETTINGS)
