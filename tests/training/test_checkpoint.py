"""No damage to a checkpoint is loaded without a word, and no kill loses the last good one."""

import logging
import os

import pytest
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision

from neco.errors import UserError
from neco.training.checkpoint import (
    checkpoint_there,
    finite,
    previous_of,
    read_checkpoint,
    remove_checkpoint,
    save_checkpoint,
)
from neco.training.step import Training
from tests.training.test_golden import batch
from tests.training.test_processes import settings_of
from tests.training.tiny import tiny_backbone

IDENTITY = {
    "settings": {"batch_size": 4, "loss": {"order": "value", "scale": (0.1, 1.0)}},
    "data": "d1",
    "start": "s1",
    "backbone": "vit",
}


def state(step: int) -> dict:
    generator = torch.Generator().manual_seed(step)
    return {
        "next_step": step,
        "student": {"a": torch.randn(50, 3, generator=generator), "b": torch.arange(5)},
        "optimiser": {"state": {0: {"step": torch.tensor(float(step))}}, "groups": [{"lr": 0.1}]},
        "queue": None,
    }


def assert_equal(found: dict, step: int) -> None:
    assert found["next_step"] == step
    assert torch.equal(found["student"]["a"], state(step)["student"]["a"])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.ckpt"


def test_what_was_saved_comes_back_and_torch_reads_it_too(path):
    save_checkpoint(path, state(3), IDENTITY)
    assert_equal(read_checkpoint(path, IDENTITY), 3)
    assert_equal(torch.load(path, weights_only=True), 3)
    assert [file.name for file in path.parent.iterdir()] == ["checkpoint.ckpt"]


def test_every_flipped_byte_is_noticed(path):
    save_checkpoint(path, state(3), IDENTITY)
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        broken = bytearray(whole)
        broken[place] ^= 1
        path.write_bytes(broken)
        with pytest.raises(UserError, match=r"digest.*delete .*checkpoint\* to start over"):
            read_checkpoint(path, IDENTITY)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: data[:512] + bytes(512) + data[1024:],
        lambda data: bytes(len(data)),
        lambda data: data + b"x",
        lambda data: b"<!DOCTYPE html>",
    ],
)
def test_the_one_before_is_used_where_the_newest_is_damaged(path, damage, caplog):
    save_checkpoint(path, state(3), IDENTITY)
    save_checkpoint(path, state(6), IDENTITY)
    path.write_bytes(damage(path.read_bytes()))
    with caplog.at_level(logging.WARNING):
        assert_equal(read_checkpoint(path, IDENTITY), 3)
    assert len(caplog.records) == 1
    assert "checkpoint.previous.ckpt is continued instead" in caplog.text
    save_checkpoint(path, state(9), IDENTITY)  # the damaged one must not replace the one before
    assert_equal(read_checkpoint(path, IDENTITY), 9)
    path.unlink()
    assert_equal(read_checkpoint(path, IDENTITY), 3)


def test_a_kill_between_the_renames_leaves_the_one_before(path):
    save_checkpoint(path, state(3), IDENTITY)
    path.replace(previous_of(path))
    assert checkpoint_there(path)
    assert_equal(read_checkpoint(path, IDENTITY), 3)
    remove_checkpoint(path)
    assert not checkpoint_there(path)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"data": "d2"}, r"other training images \(d1, not d2\)"),
        ({"start": "s2"}, r"other starting weights \(s1, not s2\)"),
        ({"backbone": "demo"}, r"another backbone \(vit, not demo\)"),
        (
            {"settings": {"batch_size": 8, "loss": {"order": "value", "scale": (0.2, 1.0)}}},
            r"other training settings \(batch_size 4, not 8, loss\.scale \[0\.1, 1\.0\], not",
        ),
        ({"data": "d2", "start": "s2"}, "images .* and other starting weights"),
        ({"seed": 3}, r"another seed \(None, not 3\)"),
    ],
)
def test_another_identity_is_named(path, changed, words):
    save_checkpoint(path, state(3), IDENTITY)
    with pytest.raises(UserError, match=words):
        read_checkpoint(path, {**IDENTITY, **changed})


@pytest.mark.parametrize("content", [[1, 2], {"model": torch.zeros(2)}, {"identity": 3}])
def test_foreign_content_is_one_line(path, content):
    torch.save(content, path)
    with pytest.raises(UserError, match="not a checkpoint with a digest"):
        read_checkpoint(path, IDENTITY)


def test_weights_that_are_not_finite_replace_nothing(path):
    save_checkpoint(path, state(3), IDENTITY)
    for value in (float("nan"), float("inf")):
        broken = state(6)
        broken["optimiser"]["state"][0]["step"].fill_(value)
        assert not finite(broken)
        with pytest.raises(UserError, match="no longer finite"):
            save_checkpoint(path, broken, IDENTITY)
    assert_equal(read_checkpoint(path, IDENTITY), 3)
    assert not previous_of(path).exists()
    assert finite({"a": [torch.arange(3), None, "text"], "b": torch.zeros(0)})


def test_a_full_disk_leaves_the_last_good_one(path):
    import resource

    save_checkpoint(path, state(3), IDENTITY)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(OSError, match=f"File too large: '{path}'"):
            save_checkpoint(path, {"a": torch.zeros(100_000)}, IDENTITY)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert_equal(read_checkpoint(path, IDENTITY), 3)
    assert os.listdir(path.parent) == ["checkpoint.ckpt"]  # noqa: PTH208


def training_in(precision: str) -> Training:
    # By name, Fabric takes bfloat16 in the place of float16 on a CPU.
    plugins = [MixedPrecision("16-mixed", "cpu")] if precision == "16-mixed" else []
    fabric = Fabric(accelerator="cpu", devices=1, plugins=plugins)
    return Training(tiny_backbone(0.0), settings_of("teacher", precision=precision), 3, fabric)


def test_the_scale_of_float16_gradients_goes_on():
    one, other = training_in("16-mixed"), training_in("16-mixed")
    one.step(batch(0), 0)
    one.fabric.strategy.precision.scaler.update(new_scale=128.0)
    other.load_state_dict(one.state_dict(1, 0.0, 1))
    assert other.fabric.strategy.precision.scaler.get_scale() == 128.0
    assert other.step(batch(1), 1).loss == one.step(batch(1), 1).loss


def test_a_checkpoint_of_a_gpu_takes_its_steps_here_as_is_usual_here():
    """Its optimiser was fused. A GPU that continues one of a CPU would step slowly the same way."""
    one, other = training_in("32-true"), training_in("32-true")
    one.step(batch(0), 0)
    state = one.state_dict(1, 0.0, 1)
    for group in state["optimiser"]["param_groups"]:
        group["fused"] = True
    other.load_state_dict(state)
    assert [group["fused"] for group in other.optimiser.param_groups] == [None] * 4
    assert other.step(batch(1), 1).loss == one.step(batch(1), 1).loss
