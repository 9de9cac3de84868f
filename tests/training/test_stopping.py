"""A stopped training continues exactly, whenever the signal comes and whoever else hears it."""

import multiprocessing
import os
import signal
import subprocess
import time

import pytest
import torch
from safetensors.torch import load_file

from neco.errors import StoppedError, UserError
from neco.training import train
from neco.views import MultiCropDataset
from tests.training.tiny import small, tiny_backbone, without_times


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


def test_a_compiler_does_not_rename_what_breaks_a_step_off(monkeypatch):
    """In a first step on a GPU, Triton and Inductor wrap every Exception into one of theirs."""
    import neco.training.stopping as stopping

    monkeypatch.setattr(stopping, "GRACE", 0.05)
    with (
        stopping.StopRequest() as stop,
        pytest.raises(stopping.BrokenStepError),
        stop.breakable(),
    ):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(20)
        except Exception as error:
            raise RuntimeError("compilation failed") from error
