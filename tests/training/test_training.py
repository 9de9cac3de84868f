"""Training end to end on a tiny network: it learns its target, resumes exactly, stops cleanly."""

import csv
import logging
import multiprocessing
import os
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from timm.models.vision_transformer import VisionTransformer

from neco.backbones.backbone import Backbone
from neco.config import Train
from neco.config.base import merged, validated
from neco.errors import StoppedError, UserError
from neco.schedules import cosine
from neco.training import train
from neco.training.batches import StepSampler
from neco.training.optimiser import build_optimiser, set_rates
from neco.views import MultiCropDataset

SMALL = {
    "steps": 4,
    "batch_size": 3,
    "workers": 0,
    "log_every": 1,
    "checkpoint_every": 2,
    "drop_path": 0.1,
    "crops": {"global_size": 32, "local_size": 16, "local_count": 2},
    "head": {"hidden": 16, "output": 8},
    "loss": {"aligned_size": 3, "references": {"count": 9}, "sorting": {"implementation": "torch"}},
}


def tiny_backbone(drop_path: float = 0.1) -> Backbone:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = VisionTransformer(
            img_size=32, patch_size=8, embed_dim=16, depth=2, num_heads=2, num_classes=0,
            dynamic_img_size=True, drop_path_rate=drop_path,
        )  # fmt: skip
    return Backbone(network, 8, 16)


def small(**changes) -> Train:
    return validated(Train, merged(SMALL, changes), "test")


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def without_times(folder: Path) -> list[dict[str, str]]:
    timed = ("images_per_second", "data_wait", "seconds")
    return [{k: v for k, v in row.items() if k not in timed} for row in rows(folder)]


@pytest.mark.parametrize("source", ["student", "queue"])
def test_a_stopped_run_continues_bit_exactly(photos, tmp_path, monkeypatch, source):
    changes = {"loss": {"references": {"source": source, "queue_length": 40}}}
    whole = train(tiny_backbone(), photos, small(**changes), tmp_path / "whole")

    from neco.training.metrics import MetricsWriter

    write = MetricsWriter.write

    def interrupt(self, row):
        write(self, row)
        if row.step == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patched:
        patched.setattr(MetricsWriter, "write", interrupt)
        with pytest.raises(UserError, match="stopped by SIGTERM after step 2 of 4"):
            train(tiny_backbone(), photos, small(**changes), tmp_path / "parts")
    left = {path.name for path in (tmp_path / "parts").iterdir()}
    assert left == {"checkpoint.ckpt", "metrics.partial", "tensorboard"}  # no result to delete
    torch.manual_seed(99)  # whatever happened in between must not matter
    parts = train(tiny_backbone(), photos, small(**changes), tmp_path / "parts")

    first, second = load_file(whole), load_file(parts)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert without_times(tmp_path / "whole") == without_times(tmp_path / "parts")
    left = {path.name for path in (tmp_path / "parts").iterdir()}
    names = {"backbone.safetensors", "metrics.csv", "training.json", "tensorboard", ".finished"}
    assert left == names


@pytest.fixture
def heard(number):
    """Hear a signal that is ignored below a background job or `nohup`."""
    usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
    before = signal.signal(number, usual)
    yield
    signal.signal(number, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGINT])
def test_workers_outlive_the_signal_that_stops_a_training(
    photos, tmp_path, monkeypatch, number, heard
):
    from neco.training.metrics import MetricsWriter

    write = MetricsWriter.write

    def signal_all(self, row):
        write(self, row)
        if row.step == 0:  # sent from outside: a worker takes its parent's SIGTERM for the end
            workers = [str(child.pid) for child in multiprocessing.active_children()]
            subprocess.run(["kill", f"-{number:d}", str(os.getpid()), *workers], check=True)
            time.sleep(0.2)

    monkeypatch.setattr(MetricsWriter, "write", signal_all)
    with pytest.raises(UserError, match=f"stopped by {number.name} after step 1 of 4"):
        train(tiny_backbone(), photos, small(workers=1), tmp_path)
    assert (tmp_path / "checkpoint.ckpt").exists()


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


def stopped_after(photos, folder, monkeypatch, step, **changes):
    """Train until a SIGTERM that comes when `step` is told."""
    from neco.training.metrics import MetricsWriter

    write = MetricsWriter.write

    def interrupt(self, row):
        write(self, row)
        if row.step == step:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patched:
        patched.setattr(MetricsWriter, "write", interrupt)
        with pytest.raises(StoppedError, match="stopped by SIGTERM") as told:
            train(tiny_backbone(), photos, small(**changes), folder)
    assert told.value.status == 143


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


@pytest.mark.parametrize("damage", ["lost", "torn", "foreign"])
def test_lost_rows_of_metrics_are_restored(photos, tmp_path, monkeypatch, caplog, damage):
    train(tiny_backbone(), photos, small(), tmp_path / "whole")
    parts = tmp_path / "parts"
    stopped_after(photos, parts, monkeypatch, 2)
    rows_so_far = parts / "metrics.partial"
    if damage == "lost":
        rows_so_far.unlink()
    elif damage == "torn":
        rows_so_far.write_bytes(rows_so_far.read_bytes()[:-30])
    else:
        rows_so_far.write_bytes(b"\xff\xfe\n0,x\n")
    with caplog.at_level(logging.WARNING):
        train(tiny_backbone(), photos, small(), parts)
    assert "metrics.partial: lost or torn; its 3 rows are taken from the checkpoint" in caplog.text
    assert without_times(tmp_path / "whole") == without_times(parts)


def test_a_finished_training_is_put_back_and_not_run_again(photos, tmp_path, monkeypatch):
    """A workflow deletes the results of a step that was killed before it noted its end."""
    output = train(tiny_backbone(), photos, small(), tmp_path)
    names = ("backbone.safetensors", "metrics.csv", "training.json")
    before = [(tmp_path / name).read_bytes() for name in names]
    for name in names:
        (tmp_path / name).unlink()
    with monkeypatch.context() as patched:
        patched.setattr("neco.training.loop.Training", None)  # nothing is trained
        assert train(tiny_backbone(), photos, small(), tmp_path) == output
    assert [(tmp_path / name).read_bytes() for name in names] == before
    changed = train(tiny_backbone(), photos, small(seed=7), tmp_path)
    seven = changed.read_bytes()
    assert seven != before[0]
    changed.write_bytes(b"damaged")  # the record's file too: they are one
    train(tiny_backbone(), photos, small(seed=7), tmp_path)
    assert changed.read_bytes() == seven


def test_a_kill_while_results_are_written_loses_nothing(photos, tmp_path, monkeypatch):
    train(tiny_backbone(), photos, small(), tmp_path / "whole")
    parts = tmp_path / "parts"
    stopped_after(photos, parts, monkeypatch, 2)
    for place in ("whole_folder", "_put_back", "remove_checkpoint"):
        with monkeypatch.context() as patched:
            patched.setattr(f"neco.training.finish.{place}", None)
            with pytest.raises(TypeError):
                train(tiny_backbone(), photos, small(), parts)
        recorded = (parts / ".finished").exists()
        assert (parts / "checkpoint.ckpt").exists()
        assert recorded == (place != "whole_folder")
    train(tiny_backbone(), photos, small(), parts)
    assert without_times(tmp_path / "whole") == without_times(parts)
    assert not (parts / "checkpoint.ckpt").exists()


def test_a_signal_is_heard_while_no_batch_comes(photos, tmp_path, monkeypatch):
    """Here the second batch never comes: its worker sleeps."""
    monkeypatch.setattr("neco.training.batches.MultiCropDataset", Stuck)
    parent = os.getpid()
    killer = multiprocessing.get_context("fork").Process(target=kill_soon, args=(parent, tmp_path))
    killer.start()
    with pytest.raises(StoppedError, match="stopped by SIGTERM after step 1 of 4"):
        train(tiny_backbone(), photos, small(workers=1, log_every=1), tmp_path)
    killer.join()
    assert (tmp_path / "checkpoint.ckpt").exists()


class Stuck(MultiCropDataset):
    def __getitem__(self, key):
        if self.used == 3:
            time.sleep(60)
        self.used += 1
        return super().__getitem__(key)

    used = 0


def kill_soon(process, folder):
    """Send SIGTERM to the training once its first row is there."""
    rows_so_far = folder / "metrics.partial"
    while not (rows_so_far.exists() and rows_so_far.read_text().count("\n") > 1):
        time.sleep(0.05)
    os.kill(process, signal.SIGTERM)


def test_every_epoch_sees_every_image_once_and_a_resumed_order_is_the_same():
    settings = small(batch_size=2, steps=None, epochs=3)
    keys = [key for batch in StepSampler(8, settings, 0) for key in batch]
    for epoch in range(3):
        assert sorted(image for number, image in keys if number == epoch) == list(range(8))
    assert [key for batch in StepSampler(8, settings, 5) for key in batch] == keys[10:]


def test_processes_share_a_batch():
    settings = small(batch_size=4, steps=2)
    whole = list(StepSampler(8, settings, 0))
    halves = [list(StepSampler(8, settings, 0, rank, 2)) for rank in range(2)]
    assert [sorted(a + b) for a, b in zip(*halves, strict=True)] == [sorted(b) for b in whole]


def test_schedule_ends_and_middle():
    assert cosine(0, 100, 2.0, 1.0) == 2.0
    assert cosine(50, 100, 2.0, 1.0) == pytest.approx(1.5)
    assert cosine(100, 100, 2.0, 1.0) == pytest.approx(1.0)
    assert cosine(0, 100, 2.0, 0.0, warmup=4) == pytest.approx(0.5)


def test_norms_and_biases_are_not_decayed():
    student = tiny_backbone()
    head = torch.nn.Linear(4, 4)
    settings = small().optimiser
    optimiser = build_optimiser(student, head, settings)
    set_rates(optimiser, settings, 0, 10)
    decay = {id(p): group["weight_decay"] for group in optimiser.param_groups
             for p in group["params"]}  # fmt: skip
    rate = {id(p): group["lr"] for group in optimiser.param_groups for p in group["params"]}
    assert decay[id(head.bias)] == 0 and decay[id(head.weight)] == pytest.approx(0.04)
    assert decay[id(student.model.norm.weight)] == 0
    assert rate[id(head.weight)] == pytest.approx(1e-4)
    assert rate[id(student.model.norm.weight)] == pytest.approx(1e-6)
    set_rates(optimiser, settings, 10, 10)
    assert {group["lr"] for group in optimiser.param_groups} == {0.0}


@pytest.mark.parametrize("source", ["student", "queue"])
def test_a_long_step_is_broken_off_and_done_again(photos, tmp_path, monkeypatch, source):
    """A signal in the middle of a step that lasts: the state is that before the step."""
    changes = {"loss": {"references": {"source": source, "queue_length": 40}}}
    whole = train(tiny_backbone(), photos, small(**changes), tmp_path / "whole")

    import neco.training.stopping as stopping
    from neco.loss import NeCoLoss

    compare = NeCoLoss.compare

    def slow(self, *rest):
        slow.calls += 1
        if slow.calls == 3:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(20)  # broken off by the alarm
        return compare(self, *rest)

    slow.calls = 0
    with monkeypatch.context() as patched:
        patched.setattr(stopping, "GRACE", 0.05)
        patched.setattr(NeCoLoss, "compare", slow)
        with pytest.raises(StoppedError, match="after step 2 of 4") as told:
            train(tiny_backbone(), photos, small(**changes), tmp_path / "broken")
    assert told.value.status == 128 + signal.SIGTERM
    again = train(tiny_backbone(), photos, small(**changes), tmp_path / "broken")
    assert again.read_bytes() == whole.read_bytes()
    assert without_times(tmp_path / "broken") == without_times(tmp_path / "whole")


def test_a_later_second_signal_ends_at_once(monkeypatch):
    import neco.training.stopping as stopping
    from neco.processes import EndedError

    with stopping.StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)  # the same request
        assert stop.asked is signal.SIGTERM
        monkeypatch.setattr(stopping, "ONE_REQUEST", 0.0)
        with pytest.raises(EndedError):
            os.kill(os.getpid(), signal.SIGINT)
