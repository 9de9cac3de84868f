"""A workflow that is killed again and again ends in the results of one that ran through."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.reliability import counts
from tests.reliability.killing import LEFT, contents

REPOSITORY = Path(__file__).parents[2]
KILLS = 6
LIMIT = 600
PROJECT = {
    "name": "killed",
    "scenes": {"train": 6, "val": 2, "unlabelled": 0, "width": 48, "height": 48},
    "datasets": {"ade20k": {}},
    "train": {
        "dataset": "ade20k", "batch_size": 4, "steps": 3, "workers": 0, "checkpoint_every": 1,
        "crops": {"global_size": 48, "local_size": 16}, "head": {"hidden": 32, "output": 16},
    },
    "runs": {"neco": {"backbone": "demo-vit-random"}},
    "evaluations": [{"protocol": "in-context", "datasets": ["ade20k"]}],
    "in_context": {"image_size": 48, "fractions": [1], "seeds": [0]},
    "resources": {"train_threads": 1, "evaluate_threads": 1, "train_gpus": 0, "evaluate_gpus": 0},
    "report": {"dataset": "ade20k", "tables": ["8"], "figures": []},
    "only": ["table-8"],
}  # fmt: skip

COMMAND = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile"),
           "--configfile", "project.yaml", "--cores", "2"]  # fmt: skip


def start(folder: Path, steps: int = 3) -> subprocess.Popen[str]:
    """Start the workflow in a process group of its own."""
    folder.mkdir(exist_ok=True)
    project = {**PROJECT, "train": {**PROJECT["train"], "steps": steps}}
    (folder / "project.yaml").write_text(yaml.safe_dump(project))
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    with (folder / "told").open("w") as told:
        return subprocess.Popen(
            COMMAND, cwd=folder, stdout=told, stderr=told, text=True, env=environment,
            start_new_session=True,
        )  # fmt: skip


def unlock(folder: Path) -> None:
    """Take away the lock that a killed Snakemake leaves, as its message and the pages say."""
    if (folder / ".snakemake" / "locks").is_dir():
        subprocess.run([*COMMAND, "--unlock"], cwd=folder, check=True, capture_output=True)


def results(folder: Path) -> dict[str, str]:
    """Return what a workflow made, without logs and benchmarks, which tell of times."""
    found = contents(folder / "data") | contents(folder / "results")
    for name in found:
        if "/tables/" in name:
            text = (folder / "results" / name).read_text()
            found[name] = re.sub(r"Newest metrics: [\d: -]+UTC", "", text)
    return {
        name: digest
        for name, digest in found.items()
        if not name.endswith((".log", ".tsv")) and "project.yaml" not in name
    }


@pytest.mark.slow
def test_a_killed_workflow_goes_on(tmp_path):
    whole = tmp_path / "whole"
    assert start(whole).wait(LIMIT) == 0, (whole / "told").read_text()[-2000:]
    chance, place = random.Random(0), tmp_path / "killed"
    for _ in range(KILLS):
        unlock(place)
        running = start(place)
        time.sleep(chance.uniform(10, 30))
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            counts.kills["workflow"] += 1
        running.wait()
        assert running.returncode in (0, -signal.SIGKILL), (place / "told").read_text()[-2000:]
    unlock(place)
    code = start(place).wait(LIMIT)
    told = (place / "told").read_text()
    wrong = [] if code == 0 else [f"called again it ends with {code}: {told[-2000:]}"]
    found, wanted = results(place), results(whole)
    wrong += [f"left over: {name}" for name in found if LEFT.search(name)]
    wrong += [f"differs: {n}" for n in found.keys() | wanted if found.get(n) != wanted.get(n)]
    counts.note(wrong)
    assert not wrong, "\n".join(wrong)


LONG = 60
"""Steps of a training that is still at work when the signal comes."""


def in_training(folder: Path) -> tuple[subprocess.Popen[str], int]:
    """Start a workflow whose training is long, and wait until the training has a checkpoint.

    Returns Snakemake and the number of the process that trains.
    """
    running = start(folder, LONG)
    until = time.monotonic() + LIMIT
    while not [*folder.rglob("checkpoint.ckpt")]:
        assert running.poll() is None and time.monotonic() < until, (folder / "told").read_text()
        time.sleep(0.1)
    listed = subprocess.run(
        ["ps", "-o", "pid=,args=", "-g", str(running.pid)], capture_output=True, text=True
    )
    trains = [line for line in listed.stdout.splitlines() if " train " in line]
    return running, int(trains[0].split()[0])


def continues(folder: Path) -> None:
    """Let the same command do the rest."""
    assert start(folder, LONG).wait(LIMIT) == 0, (folder / "told").read_text()[-2000:]


def ended(process: int) -> bool:
    """Return whether a process is gone, or waits for its parent to notice that it is."""
    state = Path(f"/proc/{process}/stat")
    try:
        return state.read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def until_ended(process: int, seconds: float) -> bool:
    """Return whether a process ends in that time."""
    until = time.monotonic() + seconds
    while not ended(process) and time.monotonic() < until:
        time.sleep(0.1)
    return ended(process)


def locked(folder: Path) -> bool:
    locks = folder / ".snakemake" / "locks"
    return locks.is_dir() and any(locks.iterdir())


@pytest.mark.slow
def test_sigterm_to_all_processes_of_a_workflow(tmp_path):
    """As a scheduler sends it: the training saves its state, no lock stays, the rest is done."""
    place = tmp_path / "ended"
    running, training = in_training(place)
    began = time.monotonic()
    os.killpg(running.pid, signal.SIGTERM)
    assert until_ended(training, 60)
    counts.slowest["workflow's training"] = time.monotonic() - began
    assert running.wait(LIMIT) == 1
    counts.slowest["workflow with its jobs"] = time.monotonic() - began
    assert not locked(place)
    assert not [*place.rglob("*.part")]
    log = place / "results" / "killed" / "logs" / "train" / "neco.seed0.log"
    assert "SIGTERM" in log.read_text()
    continues(place)
    assert "continues at step" in log.read_text()


@pytest.mark.slow
def test_sigterm_to_snakemake_alone_waits_for_the_jobs(tmp_path):
    place = tmp_path / "alone"
    running, training = in_training(place)
    running.terminate()
    assert running.wait(LIMIT) == 1
    assert ended(training) and not locked(place)
    assert "Will exit after finishing currently running jobs" in (place / "told").read_text()
    assert [*place.rglob("training.json")]
    continues(place)


@pytest.mark.slow
def test_kill_9_of_snakemake_alone_is_told_with_the_way_on(tmp_path):
    place = tmp_path / "killed"
    running, training = in_training(place)
    running.kill()
    running.wait()
    counts.kills["Snakemake alone"] += 1
    assert not ended(training) and locked(place)  # its jobs go on
    assert start(place, LONG).wait(LIMIT) == 1
    assert "--unlock" in (place / "told").read_text()
    assert until_ended(training, LIMIT)
    unlock(place)
    assert not locked(place)
    continues(place)
