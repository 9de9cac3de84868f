"""Training end to end on a tiny network: it learns, every switch runs, the impossible is said."""

import itertools
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from neco.config.base import merged
from neco.errors import UserError
from neco.training import clock, loop, train
from neco.training.step import Training
from tests.training.tiny import rows, small, stopped_after, tiny_backbone


def test_training_changes_the_backbone_and_its_export_loads_strictly(photos, tmp_path):
    start = tiny_backbone()
    before = {name: value.clone() for name, value in start.model.state_dict().items()}
    path = train(start, photos, small(optimiser={"backbone_learning_rate": 1e-3}), tmp_path)
    state = load_file(path)
    tiny_backbone().model.load_state_dict(state, strict=True)
    moved = [name for name in before if not torch.equal(before[name], state[name])]
    assert "blocks.0.attn.qkv.weight" in moved and "patch_embed.proj.weight" in moved


def test_only_the_last_blocks_move_when_asked(photos, tmp_path):
    start = tiny_backbone()
    before = {name: value.clone() for name, value in start.model.state_dict().items()}
    changes = {"trainable_blocks": 1, "optimiser": {"backbone_learning_rate": 1e-3}}
    state = load_file(train(start, photos, small(**changes), tmp_path))
    moved = {name for name in before if not torch.equal(before[name], state[name])}
    assert moved and all(name.startswith(("blocks.1.", "norm.")) for name in moved)


@pytest.mark.parametrize(
    "changes",
    [
        {"teacher": {"kind": "student"}},
        {"optimiser": {"name": "adam", "head_alone": 1}, "head": {"normalised": False}},
        {"teacher": {"head": "copied", "moves": "after_step"}, "loss": {"two_way": True}},
        {"head": {"layers": 1, "start": "principal"}},
        {"head": {"start": "residual"}, "loss": {"references": {"per_pair": False}}},
        {"loss": {"patches": "foreground", "sorting": {"network": "odd_even"}}},
        {"loss": {"references": {"scope": "intra"}, "nearest": 3}},
        {"crops": {"local_count": 0}, "optimiser": {"gradient_clip": 1.0, "name": "adamw"}},
        {"precision": "bf16-mixed", "loss": {"references": {"scope": "inter"}}},
    ],
)
def test_every_switch_trains(photos, tmp_path, changes):
    train(tiny_backbone(), photos, small(**merged({"steps": 2}, changes)), tmp_path)
    assert [row["step"] for row in rows(tmp_path)] == ["0", "1"]
    assert all(float(row["loss"]) > 0 for row in rows(tmp_path))


def test_nan_ends_in_one_line(photos, tmp_path):
    broken = tiny_backbone()
    broken.model.norm.weight.data.fill_(float("nan"))
    with pytest.raises(UserError, match="loss is nan at step 0; lower"):
        train(broken, photos, small(), tmp_path)


def test_too_few_images_is_said(photos, tmp_path):
    with pytest.raises(UserError, match="batch_size 9 is more than the 7 images of the"):
        train(tiny_backbone(), photos, small(batch_size=9), tmp_path)


def test_a_checkpoint_is_not_continued_with_anything_else(photos, tmp_path, monkeypatch):
    stopped_after(photos, tmp_path, monkeypatch, 1)
    fewer = replace(photos, items=photos.items[:6])
    with pytest.raises(UserError, match="other training images"):
        train(tiny_backbone(), fewer, small(), tmp_path)
    with pytest.raises(UserError, match=r"other training settings \(seed 0, not 7"):
        train(tiny_backbone(), photos, small(seed=7), tmp_path)
    other = tiny_backbone()
    other.model.norm.bias.data += 1
    with pytest.raises(UserError, match="other starting weights"):
        train(other, photos, small(), tmp_path)


def test_the_host_gets_one_step_ahead_of_the_device(photos, tmp_path, monkeypatch):
    """Else it would wait for images that a GPU does not need yet, and call that `data_wait`."""
    events, steps = [], itertools.count()

    def mark(device):
        number = next(steps)
        events.append(f"queued {number}")
        return lambda: events.append(f"done {number}")

    step = Training.step
    monkeypatch.setattr(loop, "mark", mark)
    monkeypatch.setattr(
        Training, "step", lambda *given: events.append(f"step {given[2]}") or step(*given)
    )
    train(tiny_backbone(), photos, small(steps=3), tmp_path)
    assert events == [
        *("queued 0", "step 0", "done 0", "queued 1"),
        *("step 1", "done 1", "queued 2", "step 2", "done 2", "queued 3"),
    ]


def test_writing_a_checkpoint_is_no_waiting_for_images(photos, tmp_path, monkeypatch):
    now = [0.0]

    def later(seconds, call):
        def called(*given):
            now[0] += seconds
            return call(*given)

        return called

    monkeypatch.setattr(clock.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(Training, "step", later(1.0, Training.step))
    monkeypatch.setattr(loop, "save_checkpoint", later(100.0, loop.save_checkpoint))
    train(tiny_backbone(), photos, small(steps=4, checkpoint_every=1, log_every=2), tmp_path)
    assert [float(row["data_wait"]) for row in rows(tmp_path)] == [0.0, 0.0]
