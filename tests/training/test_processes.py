"""One and two processes train the same: losses, weights, queue; and what does not fit is said."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment
from lightning_fabric.strategies import DDPStrategy
from torch import Tensor, multiprocessing

from neco.cli import main
from neco.config import Train
from neco.config.base import merged
from neco.errors import UserError
from neco.training.launch import launch, refuse_unequal_shares
from neco.training.step import Training
from neco.views import Views
from tests.training.test_golden import batch
from tests.training.tiny import small, tiny_backbone, without_times

STEPS = 3
CASES = {
    "student": {"loss": {"references": {"source": "student"}}},
    "student with gradient": {"loss": {"references": {"source": "student", "gradient": True}}},
    "teacher": {"loss": {"references": {"source": "teacher", "scope": "inter", "shared": False}}},
    "queue": {"loss": {"references": {"source": "queue", "queue_length": 40}}},
    "own references": {"loss": {"references": {"source": "teacher", "scope": "intra"}}},
    "foreground": {"loss": {"patches": "foreground"}, "optimiser": {"gradient_clip": 0.1}},
    "principal": {"head": {"layers": 1, "start": "principal"}},
    "local": {"loss": {"references": {"gather": False}}},
}


def settings_of(case: str, **changes) -> Train:
    """Return the settings of a case, without the paths that a process drops for itself."""
    common = {
        "batch_size": 4, "steps": STEPS, "drop_path": 0.0,
        "crops": {"global_size": 48, "local_size": 24},
        "optimiser": {"backbone_learning_rate": 1e-3, "head_learning_rate": 1e-3},
    }  # fmt: skip
    return small(**merged(merged(common, CASES[case]), changes))


def trained(case: str, fabric: Fabric, **changes) -> dict[str, Tensor]:
    """Return what a training of a few steps leaves: its losses, its weights, its queue."""
    settings = settings_of(case, **changes)
    training = Training(tiny_backbone(0.0), settings, STEPS, fabric)
    losses = []
    for step in range(STEPS):
        views = Views(*(training.share.of(part) for part in batch(step)))
        losses.append(fabric.all_reduce(training.step(views, step).loss.detach()))
    assert training.teacher is not None
    left = {f"student.{name}": value for name, value in training.student.state_dict().items()}
    left |= {f"teacher.{name}": value for name, value in training.teacher.state_dict().items()}
    if training.loss.queue is not None:
        left["queue"] = training.loss.queue.tokens
    return {"losses": torch.stack(losses), **left}


def one_of_two(rank: int, port: int, folder: Path) -> None:
    """Be one of two processes: train every case and write what the first of them is left with."""
    os.environ.update(LOCAL_RANK=str(rank), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.set_num_threads(1)
    fabric = Fabric(
        accelerator="cpu", devices=2, strategy=DDPStrategy(), plugins=[LightningEnvironment()]
    )
    fabric.launch()
    if rank:  # another library's principal components may point the other way
        svd = torch.linalg.svd
        torch.linalg.svd = lambda *given, **how: [-part for part in svd(*given, **how)]
    left = {case: trained(case, fabric) for case in CASES}
    torch.save(left, folder / f"{rank}.pt")


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> list[dict[str, dict[str, Tensor]]]:
    """Return what each of two processes was left with, by case."""
    folder = tmp_path_factory.mktemp("two")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    multiprocessing.spawn(one_of_two, (port, folder), nprocs=2)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.fixture(scope="module")
def alone() -> Fabric:
    return Fabric(accelerator="cpu", devices=1, plugins=[LightningEnvironment()])


@pytest.mark.parametrize("case", [case for case in CASES if case != "local"])
def test_two_processes_train_as_one(two, alone, case):
    """Weights move by up to 3e-3 here. Attention sums in another order for other batches, and where
    a gradient is next to 0 Adam turns this rounding into a hundredth of a move."""
    expected, found = trained(case, alone), two[0][case]
    torch.testing.assert_close(found["losses"], expected.pop("losses"), rtol=1e-5, atol=0)
    for name, value in expected.items():
        torch.testing.assert_close(without_keys(name, found[name]), without_keys(name, value),
                                   rtol=1e-6, atol=5e-5)  # fmt: skip


def without_keys(name: str, value: Tensor) -> Tensor:
    """Return a bias of queries, keys and values without the keys'.

    Softmax ignores what is added to all scores: that gradient is rounding alone, which Adam blows
    up to a step like any other.
    """
    if not name.endswith("qkv.bias"):
        return value
    query, _, values = value.chunk(3)
    return torch.cat([query, values])


@pytest.mark.parametrize("case", CASES)
def test_both_processes_are_left_with_the_same(two, case):
    for name, value in two[0][case].items():
        assert torch.equal(two[1][case][name], value), name


def test_local_references_train_another_way(two, alone):
    expected, found = trained("student", alone)["losses"], two[0]["local"]["losses"]
    assert torch.isfinite(found).all() and not torch.allclose(found, expected, rtol=1e-3)


@pytest.fixture
def arguments(tmp_path, photos) -> list[str]:
    """Return the command of a short training on prepared images, without --into."""
    archive = tmp_path / "archives" / "shots"
    archive.mkdir(parents=True)
    for item in photos.items:
        (archive / item.image.name).symlink_to(item.image)
    data = tmp_path / "prepared"
    assert main(["prepare", "shots", "--archives", str(archive.parent), "--into", str(data)]) == 0
    arguments = ["train", "--backbone", "demo-vit", "--data", str(data)]
    for item in ("workers=0", "log_every=1", "batch_size=4", "head.layers=0", "drop_path=0",
                 "crops.global_size=64", "crops.local_size=32"):  # fmt: skip
        arguments += ["--set", f"train.{item}"]
    return arguments


def on_two(arguments: list[str], into: Path) -> subprocess.Popen[str]:
    """Return the command, started on two devices."""
    command = [sys.executable, "-m", "neco", *arguments, "--devices", "2", "--into", str(into)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def assert_same_metrics(expected: Path, found: Path) -> None:
    rows = zip(without_times(expected), without_times(found), strict=True)
    for row, other in rows:
        for name, value in row.items():
            assert float(other[name]) == pytest.approx(float(value), rel=1e-4), (row["step"], name)


@pytest.mark.slow
def test_the_command_trains_the_same_on_two_devices(tmp_path, arguments):
    arguments += ["--set", "train.steps=2"]
    assert main([*arguments, "--into", str(tmp_path / "one")]) == 0
    two = on_two(arguments, tmp_path / "two")
    printed, said = two.communicate(timeout=600)
    assert two.returncode == 0, said
    assert printed == f"{tmp_path / 'two' / 'backbone.safetensors'}\n"
    assert_same_metrics(tmp_path / "one", tmp_path / "two")


@pytest.mark.slow
def test_two_processes_stop_together_and_one_goes_on(tmp_path, arguments):
    """A scheduler may tell one process alone; the others must neither hang nor fall."""
    steps = 30
    arguments += ["--set", f"train.steps={steps}"]
    assert main([*arguments, "--into", str(tmp_path / "whole")]) == 0
    parts = tmp_path / "parts"
    two = on_two(arguments, parts)
    written = parts / "metrics.partial"
    while not (written.exists() and written.read_text().count("\n") > 3):
        assert two.poll() is None, two.communicate(timeout=600)
        time.sleep(0.01)
    two.send_signal(signal.SIGTERM)
    _, said = two.communicate(timeout=600)
    assert two.returncode == 143
    stopped = re.findall(rf"stopped by SIGTERM after step (\d+) of {steps}; ", said)
    assert len(stopped) == 1 and "Traceback" not in said, said
    assert (parts / "checkpoint.ckpt").exists()
    assert main([*arguments, "--into", str(parts)]) == 0
    assert_same_metrics(tmp_path / "whole", parts)


@pytest.mark.parametrize(
    ("environment", "devices", "nodes", "said"),
    [
        ({"SLURM_STEP_NUM_TASKS": "3"}, 2, 1, "needs 2 processes and srun started 3; call srun"),
        ({"SLURM_STEP_NUM_TASKS": "4"}, 1, 1, "needs 1 processes and srun started 4; call srun"),
        ({}, 2, 2, "--nodes 2: start it with srun --nodes=2 --ntasks-per-node=2, or"),
        ({}, 0, 1, "both are 1 or more"),
        (
            {"SLURM_STEP_NUM_TASKS": "2", "SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "1",
             "SLURM_NODEID": "0", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"},
            2, 1, "--ntasks-per-node=1` does not match",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_in_one_line(monkeypatch, environment, devices, nodes, said):
    for name in ("NODE_RANK", "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError) as error:
        launch(devices, nodes, "32-true", accelerator="cpu")
    assert said in str(error.value) and len(str(error.value).splitlines()) == 1


def test_a_batch_that_cannot_be_shared_is_refused():
    refuse_unequal_shares(small(batch_size=4), 2)
    with pytest.raises(UserError, match="batch_size 3 must be a multiple of the 2 processes"):
        refuse_unequal_shares(small(batch_size=3), 2)
