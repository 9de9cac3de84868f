"""Commands side by side take one GPU each, and a command that wants none sees none."""

import os
import signal
import subprocess
import sys

import pytest

from neco import gpus

TAKE = """
import os, sys
from neco.gpus import use_gpus
use_gpus(1)
print(os.environ.get("CUDA_VISIBLE_DEVICES"), flush=True)
sys.stdin.read()
"""


KILLED = """
import os, time
from neco.gpus import use_gpus
use_gpus(1)
if os.fork() == 0:
    print(os.getpid(), flush=True)
    time.sleep(60)
else:
    os.kill(os.getpid(), 9)
"""


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """Locks and device files of this test alone."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(gpus.tempfile, "tempdir", None)
    monkeypatch.setattr(gpus, "DEVICES", tmp_path)
    monkeypatch.setattr(gpus, "_held", held := [])
    monkeypatch.setenv(gpus.VISIBLE, "")  # so that it is restored
    monkeypatch.delenv(gpus.VISIBLE)
    yield
    for file in held:
        file.close()


def test_each_command_takes_a_gpu_that_is_free(monkeypatch):
    monkeypatch.setenv(gpus.VISIBLE, "GPU-a/1,3")
    started = [
        subprocess.Popen(
            [sys.executable, "-c", TAKE], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    taken = [process.stdout.readline().strip() for process in started]
    assert sorted(taken) == ["3", "GPU-a/1", "GPU-a/1,3"]
    started[taken.index("3")].communicate("")
    gpus.use_gpus(1)
    assert os.environ[gpus.VISIBLE] == "3"
    told = "".join(process.communicate("")[1] for process in started if process.poll() is None)
    assert "all 2 GPUs are held" in told


def test_a_worker_does_not_hold_the_gpu_of_a_killed_command(monkeypatch):
    monkeypatch.setenv(gpus.VISIBLE, "0,1")
    with subprocess.Popen([sys.executable, "-c", KILLED], stdout=subprocess.PIPE) as command:
        worker = int(command.stdout.readline())
        command.wait()
        gpus.use_gpus(1)
        os.kill(worker, signal.SIGKILL)
    assert os.environ[gpus.VISIBLE] == "0"


def test_nothing_changes_with_one_gpu_or_none(monkeypatch, tmp_path):
    (tmp_path / "nvidiactl").touch()
    gpus.use_gpus(1)
    assert gpus.VISIBLE not in os.environ and gpus.visible_gpus() == []
    (tmp_path / "nvidia0").touch()
    gpus.use_gpus(1)
    assert gpus.VISIBLE not in os.environ and gpus.visible_gpus() == ["0"]
    (tmp_path / "nvidia1").touch()
    assert gpus.visible_gpus() == ["0", "1"]
    monkeypatch.setenv(gpus.VISIBLE, "")
    gpus.use_gpus(1)
    assert gpus.visible_gpus() == [] and os.environ[gpus.VISIBLE] == ""


def test_gpus_are_listed_as_far_as_cuda_reads_the_list(monkeypatch):
    for stated, seen in {"0, 2,-1,1": ["0", "2"], "-1": [], "3,,1": ["3"], " ": []}.items():
        monkeypatch.setenv(gpus.VISIBLE, stated)
        assert gpus.visible_gpus() == seen


def test_a_command_runs_where_no_lock_can_be_kept(monkeypatch, tmp_path, caplog):
    """The folder for temporary files is everybody's: a link or a file there is not followed."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "0").write_text("kept")
    own = tmp_path / f"neco-gpus-{os.getuid()}"
    monkeypatch.setenv(gpus.VISIBLE, "0,1")
    for put in (lambda: own.symlink_to(other), own.touch):
        put()
        gpus.use_gpus(1)
        own.unlink()
    monkeypatch.setattr(gpus.tempfile, "tempdir", str(tmp_path / "nowhere"))
    gpus.use_gpus(1)
    assert caplog.text.count("GPUs cannot be told apart") == 3
    assert os.environ[gpus.VISIBLE] == "0,1" and (other / "0").read_text() == "kept"


def test_no_gpu_is_seen_where_none_is_wanted():
    gpus.use_gpus(0)
    assert os.environ[gpus.VISIBLE] == ""


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        (("extract", "--model", "m", "--split", "val", "--image-size", "32"), 3),
        (("attend", "--split", "val", "--image-size", "32"), 3),
        (("evaluate", "in-context"), 3),
        (("evaluate", "overcluster"), 0),  # its job asks the scheduler for no GPU
        (("evaluate", "consistency"), 3),
        (("train",), 0),
    ],
)
def test_commands_use_what_the_configuration_asks_for(monkeypatch, tmp_path, command, wanted):
    from neco.cli import main

    asked = []

    def noted(count):
        asked.append(count)
        raise SystemExit

    for module in ("models", "evaluation", "compare"):
        monkeypatch.setattr(f"neco.cli.{module}.use_gpus", noted)
    resources = ["--set", "resources={evaluate_gpus: 3, train_gpus: 0}"]
    data = write_prepared(tmp_path / "data")
    backbone = [] if command[-1] in ("in-context", "overcluster") else ["--backbone", "demo-vit"]
    with pytest.raises(SystemExit):
        main([
            *command, *backbone, "--data", str(data), "--into", str(tmp_path / "out"), *resources,
        ])  # fmt: skip
    assert asked == [wanted]


def write_prepared(folder):
    """Return the folder of a dataset with one image in each split."""
    from benchmarks.gpu.bundle import draw_scenes

    return draw_scenes(folder, {"train": 1, "val": 1}, (32, 32))
