"""Fine-tuning with MMSegmentation's head; this file alone imports MMSegmentation."""

import json
import signal
import sys

import numpy as np
import pytest
import torch
from torch import nn

from neco.backbones.load import load_backbone
from neco.config.segmenter import Segmenter
from neco.data.dataset import read_dataset
from neco.errors import UserError
from neco.evaluate.metrics import class_iou, confusion, margins
from neco.evaluate.result import Metrics, parts_beside, read_result

pytest.importorskip("mmseg.version", reason="needs the extra `segmenter`", exc_type=ImportError)

from neco.evaluate.segmenter import fine_tune as loop
from neco.evaluate.segmenter.evaluate import evaluate, score
from neco.evaluate.segmenter.images import ScaledImages, TrainingCrops, held_out_batches
from neco.evaluate.segmenter.library import EXTENSION, EncoderDecoder
from neco.evaluate.segmenter.network import build_network, network_config, padded_side

SETTINGS = Segmenter(
    iterations=4, batch_size=2, crop_size=32, window_stride=24, image_scale=(96, 48),
    decoder_layers=1, validate_every=None, checkpoint_every=2, log_every=2, bootstrap=0,
)  # fmt: skip
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def network_of(settings=SETTINGS, name="demo-vit", seed=0):
    torch.manual_seed(seed)
    return build_network(load_backbone(name, None, drop_path=settings.drop_path), 4, settings)


def train(folder, dataset, settings=SETTINGS, validate=lambda: 0.0, origin=None):
    network = network_of(settings)
    kept = loop.fine_tune(network, dataset, settings, 1e-3, 0, folder, validate, CPU, origin=origin)
    return network, kept


def test_the_stand_in_is_gone_after_the_import():
    assert EXTENSION not in sys.modules
    with pytest.raises(ImportError):
        import mmcv._ext  # noqa: F401


def test_tokens_are_the_backbones():
    images = torch.rand(2, 3, 32, 32)
    network = network_of().eval()
    with torch.no_grad():
        (tokens,) = network.backbone(images)
        wanted = load_backbone("demo-vit", None)(images)  # resamples its embedding
    torch.testing.assert_close(tokens, wanted.permute(0, 3, 1, 2), atol=1e-5, rtol=1e-4)


def test_without_padding_it_is_mmsegmentations_network():
    network = network_of().eval()
    backbone = load_backbone("demo-vit", None, drop_path=0.1)
    backbone.model.set_input_size(img_size=(32, 32))
    plain = EncoderDecoder(**network_config(backbone, 4, SETTINGS)).eval()
    plain.load_state_dict(network.state_dict())
    images = torch.rand(1, 3, 32, 32)
    metas = [{"img_shape": torch.Size((32, 32)), "ori_shape": (32, 32)}]
    with torch.no_grad():
        torch.testing.assert_close(
            network.inference(images, [dict(metas[0])]), plain.inference(images, [dict(metas[0])])
        )


def test_zeros_go_around_the_image_and_are_cut_from_the_logits():
    assert [padded_side(side, 14) for side in (512, 518, 14, 15)] == [518, 518, 14, 28]
    patch = load_backbone("demo-vit", None).patch_size
    settings = SETTINGS.model_copy(update={"crop_size": 4 * patch - 2})
    network = network_of(settings).eval()
    side = settings.crop_size
    images = torch.rand(1, 3, side, side)
    framed = torch.zeros(1, 3, side + 2, side + 2)
    framed[..., 1:-1, 1:-1] = images
    with torch.no_grad():
        small, large = (network.encode_decode(each, []) for each in (images, framed))
    torch.testing.assert_close(small, large[..., 1:-1, 1:-1])


@pytest.mark.parametrize(("dim", "heads"), [(384, 6), (768, 12), (12, 1)])
def test_the_config_is_mmsegmentations_for_vit_s_and_vit_b(dim, heads):
    backbone = load_backbone("demo-vit", None)
    backbone.dim = dim
    head = network_config(backbone, 150, Segmenter())["decode_head"]
    assert (head["num_heads"], head["num_layers"], head["embed_dims"]) == (heads, 2, dim)


def test_cribos_colours_and_a_cut_filled_up_with_zeros(coloured):
    """Less 127.5, over 127.5; beyond the cut the image is zero and its labels are ignored."""
    settings = SETTINGS.model_copy(update={"cut_size": 24})
    crop = TrainingCrops(coloured[0], settings, 0)[0]
    assert crop["inputs"].shape == (3, 24, 24)
    batch = {"inputs": [crop["inputs"]], "data_samples": [crop["data_samples"]]}
    seen = network_of(settings).data_preprocessor(batch, training=True)
    expected = (crop["inputs"].flip(0).float() - 127.5) / 127.5
    torch.testing.assert_close(seen["inputs"][0, :, :24, :24], expected)
    assert not seen["inputs"][0, :, 24:].any() and not seen["inputs"][0, ..., 24:].any()
    labels = seen["data_samples"][0].gt_sem_seg.data[0]
    assert labels.shape == (32, 32) and (labels[24:] == 255).all() and (labels[:, 24:] == 255).all()
    own = network_config(load_backbone("demo-vit", None), 4, Segmenter(colours="backbone"))
    assert own["data_preprocessor"]["mean"][0] == pytest.approx(255 * 0.485)


def test_held_out_images_are_what_our_reader_reads(coloured):
    _, val = coloured
    item = ScaledImages(val, Segmenter(image_scale=(96, 40)))[1]  # its own size
    rgb = item["inputs"].flip(0).permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(rgb, np.array(val.items[1].read_image()))
    labels = item["data_samples"].gt_sem_seg.data[0].numpy()
    np.testing.assert_array_equal(labels, val.items[1].read_mask())
    scaled = ScaledImages(val, Segmenter(image_scale=(192, 80)))[1]
    assert scaled["inputs"].shape == (3, 80, 96)
    assert scaled["data_samples"].gt_sem_seg.data.shape == (1, 40, 48)


def test_a_training_crop_keeps_image_and_labels_together_and_depends_on_its_place(coloured):
    train_split, _ = coloured
    settings = SETTINGS.model_copy(update={"image_scale": (48, 40), "scale_range": (1.0, 1.0)})
    crops = TrainingCrops(train_split, settings, seed=3)
    before = np.random.get_state()[1].copy()
    seen = [crops[place] for place in (0, 5, 0)]
    assert (np.random.get_state()[1] == before).all()
    assert torch.equal(seen[0]["inputs"], seen[2]["inputs"])
    assert not torch.equal(seen[0]["inputs"], seen[1]["inputs"])
    masks = [item.read_mask() for item in train_split.items]
    windows = [
        each
        for mask in masks
        for flipped in (mask, mask[:, ::-1])
        for top in range(9)
        for left in range(17)
        for each in [flipped[top : top + 32, left : left + 32]]
    ]
    labels = seen[0]["data_samples"].gt_sem_seg.data[0].numpy()
    assert any(np.array_equal(labels, window) for window in windows)
    epoch = [crops[place]["data_samples"].img_path for place in range(len(train_split))]
    assert len(set(epoch)) == len(train_split)


def test_ignored_pixels_give_no_gradient(coloured):
    network = network_of()
    batch = next(iter(held_out_batches(coloured[1], SETTINGS, 0)))
    for sample in batch["data_samples"]:
        sample.gt_sem_seg.data[:] = 255
    images = torch.rand(1, 3, 40, 48)
    network.loss(images, batch["data_samples"])["loss_ce"].backward()
    assert all(p.grad is None or not p.grad.any() for p in network.parameters())


def test_the_score_is_that_of_the_predictions(coloured):
    _, val = coloured
    network = network_of()
    found = score(network, val, SETTINGS, 0).result("", 0)
    table = np.zeros((4, 5), dtype=np.int64)
    network.eval()
    for batch, item in zip(held_out_batches(val, SETTINGS, 0), val.items, strict=True):
        with torch.no_grad():
            (sample,) = network.predict(**network.data_preprocessor(batch))
        table += confusion(sample.pred_sem_seg.data[0].numpy(), item.read_mask(), 4)
    assert found.mIoU == pytest.approx(100 * np.nan_to_num(class_iou(margins(table))).mean(), 1e-4)


def test_the_learning_rate_is_mmengines_poly_schedule():
    from mmengine.optim import PolyLR

    settings = Segmenter(iterations=20)
    optimiser = torch.optim.Adam([nn.Parameter(torch.zeros(1))], lr=8e-5)
    schedule = PolyLR(optimiser, power=0.9, eta_min=8e-6, begin=0, end=20, by_epoch=False)
    for iteration in range(20):
        expected = optimiser.param_groups[0]["lr"]
        assert loop.learning_rate(settings, 8e-5, iteration) == pytest.approx(expected)
        optimiser.step()
        schedule.step()


def test_a_stopped_run_ends_in_the_same_weights(tmp_path, coloured, monkeypatch):
    dataset, _ = coloured
    whole, _ = train(tmp_path / "whole", dataset)
    start = network_of().state_dict()
    changed = [not torch.equal(value, start[name]) for name, value in whole.state_dict().items()]
    assert any(n.startswith("backbone.") for n, c in zip(start, changed, strict=True) if c)
    step = loop._step

    def stopped(*arguments):
        if arguments[6] == 1:  # the iteration
            signal.raise_signal(signal.SIGTERM)
        return step(*arguments)

    monkeypatch.setattr(loop, "_step", stopped)
    with pytest.raises(UserError, match="stopped by SIGTERM after iteration 2 of 4"):
        train(tmp_path / "cut", dataset)
    monkeypatch.setattr(loop, "_step", step)
    other = SETTINGS.model_copy(update={"weight_decay": 0.1})
    with pytest.raises(UserError, match="other training settings"):
        train(tmp_path / "cut", dataset, other)
    validated = []
    often = SETTINGS.model_copy(update={"checkpoint_every": 1, "log_every": 1})
    resumed, kept = train(tmp_path / "cut", dataset, often, lambda: validated.append(1) or 0.0)
    assert not validated and kept["seconds"] > 0
    for name, value in resumed.state_dict().items():
        assert torch.equal(value, whole.state_dict()[name]), name


def test_evaluating_on_the_way_changes_nothing(tmp_path, coloured):
    train_split, val = coloured
    found = [
        evaluate(
            load_backbone("demo-vit", None, drop_path=0.1), train_split, val,
            SETTINGS.model_copy(update={"validate_every": every}), 1e-3, 0,
            tmp_path / str(every), about={"model": "demo-vit"}, device="cpu",
        )
        for every in (None, 2)
    ]  # fmt: skip
    first, second = found
    assert first.results[0].per_class_iou == second.results[0].per_class_iou
    assert [point["iteration"] for point in second.results[0].details["curve"]] == [2]
    assert first.conditions.train_images == 12 and first.conditions.mask_resolution == "full"
    assert "mmsegmentation" in first.conditions.packages


def test_it_learns_what_colours_tell(tmp_path, coloured):
    settings = SETTINGS.model_copy(update={"iterations": 40, "log_every": 40})
    backbone = load_backbone("demo-vit", None)
    found = evaluate(backbone, *coloured, settings, 3e-4, 0, tmp_path, device="cpu")
    assert found.mIoU > 40  # the ground alone gives below 25


def test_half_precision_and_patch_colours_train_too(tmp_path, coloured):
    settings = SETTINGS.model_copy(update={"precision": "bf16-mixed", "iterations": 2})
    for name in ("demo-vit", "patch-colours"):
        found = evaluate(
            load_backbone(name, None), *coloured, settings, 1e-3, 0, tmp_path / name, device="cpu"
        )
        assert 0 <= found.mIoU <= 100


def test_the_command_writes_parts_and_chooses(tmp_path, coloured, capsys, monkeypatch):
    from neco.cli import main

    config = tmp_path / "project.yaml"
    values = json.loads(SETTINGS.model_dump_json()) | {"learning_rates": [1e-3, 1e-4]}
    config.write_text(json.dumps({"segmenter": values | {"iterations": 1}}))
    parts = []
    for rate in ("1e-3", "1e-4"):
        parts.append(str(tmp_path / f"lr{rate}.json"))
        arguments = ["evaluate", "segmenter", "--config", str(config), "--model", "mine"]
        arguments += ["--backbone", "demo-vit", "--data", str(coloured[0].folder)]
        arguments += ["--learning-rate", rate, "--into", parts[-1]]
        assert main(arguments) == 0
    assert not list(tmp_path.rglob("*.ckpt"))
    # A result that a workflow took away is put back, and nothing is trained.
    written = (tmp_path / "lr1e-4.json").read_bytes()
    for name in ("lr1e-4.json", "lr1e-4.images.npz"):
        (tmp_path / name).unlink()
    with monkeypatch.context() as patched:
        patched.setattr("neco.evaluate.segmenter.evaluate.fine_tune", None)
        assert main(arguments) == 0
    assert (tmp_path / "lr1e-4.json").read_bytes() == written
    into = tmp_path / "best.json"
    assert main(["best-rate", *parts, "--config", str(config), "--into", str(into)]) == 0
    best = Metrics.model_validate_json(into.read_text())
    assert best.model == "mine" and best.summary.keys() == {""}
    assert best.mIoU == max(result.mIoU for result in best.results)
    assert read_dataset(coloured[0].folder, "val").classes == best.conditions.class_set
    # Intervals of differences are made from what the results of all rates are made of.
    made = parts_beside(into, read_result(into))
    assert made is not None
    for result, images in zip(best.results, made, strict=True):
        assert len(images) == best.conditions.val_images
        (number,) = images.drawn(np.ones((1, len(images)), np.int64))
        assert number == pytest.approx(result.mIoU, abs=1e-3)
    assert main(["best-rate", parts[0], "--config", str(config), "--into", str(into)]) == 1
    assert "no result of learning rate 0.0001" in capsys.readouterr().err
