"""The shipped profile on a real cluster: everything runs, and what stops goes on.

    make test-slurm

Tests depend on the order they are written in: each uses what the ones before it computed.
"""

import csv
import json
import re
import subprocess

import pytest
from safetensors.torch import load_file

from tests.slurm.conftest import none_left, queue

pytestmark = pytest.mark.slow

RUN = "results/sparse/runs/{}.seed0"


def rows(path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def submitted(call) -> list[str]:
    """Return the numbers of a call's jobs, in the order of submission."""
    return re.findall(r"submitted with SLURM jobid (\d+)", call.text())


def resumed_at(client, run: str) -> int:
    """Return the step from which the last start of a training went on, 0 from the beginning."""
    log = (client.folder / f"results/sparse/logs/train/{run}.seed0.log").read_text()
    return int((re.findall(r"continues at step (\d+) of", log) or [0])[-1])


def time_limit(job: str) -> str:
    """Return the time limit of a job, as SLURM prints it."""
    command = ["squeue", "--noheader", "--states=all", f"--jobs={job}", "--format=%l"]
    return subprocess.check_output(command, text=True).strip()


def test_an_interrupted_workflow_leaves_no_job_and_a_checkpoint(client):
    # A target behind the training alone: the rest would be ahead of it in the queue.
    call = client.start(
        "interrupted", "results/sparse/metrics/in-context/pascal-voc/neco.seed0.json"
    )
    rows_so_far = client.folder / RUN.format("neco") / "metrics.partial"
    call.wait_until(lambda: rows_so_far.exists() and len(rows(rows_so_far)) > 1)
    call.interrupt()
    assert call.wait(120) != 0
    assert none_left()
    assert "CANCELLED" in {state for state, _ in queue().values()}
    assert (client.folder / RUN.format("neco") / "checkpoint.ckpt").exists()


def test_a_training_over_its_time_limit_is_retried_and_goes_on(client):
    # As many steps as would have taken 300 s when the run before was interrupted: more than a limit
    # of 3 minutes lets through, start included, should the machine be faster by now.
    last = rows(client.folder / RUN.format("neco") / "metrics.partial")[-1]
    steps = round(300 * (int(last["step"]) + 1) / float(last["seconds"]))
    overlay = {
        "runs": {"limited": {"backbone": "demo-vit", "train": {"steps": steps, "log_every": 10}}},
        "resources": {"minutes": {"train": 3}, "stop_seconds": 15},
    }
    target = RUN.format("limited") + "/backbone.safetensors"
    call = client.start("limited", target, overlay=overlay)
    assert call.wait() == 0, call.tail()
    jobs = submitted(call)
    limits = [time_limit(job) for job in jobs]
    assert len(jobs) > 1 and limits == [f"{3 * attempt}:00" for attempt in range(1, len(jobs) + 1)]
    assert queue()[jobs[0]][0] in ("FAILED", "TIMEOUT") and queue()[jobs[-1]][0] == "COMPLETED"
    # Snakemake prints the log of the job that failed; the log that is left is the last job's.
    stops = re.findall(r"stopped by SIGTERM after step (\d+) of", call.text())
    assert stops and resumed_at(client, "limited") == int(stops[-1]) > 0
    written = [
        int(row["step"]) for row in rows(client.folder / RUN.format("limited") / "metrics.csv")
    ]
    assert written == [*range(9, steps, 10)] + ([steps - 1] if steps % 10 else [])


def test_two_processes_under_srun_train_as_one_does(client):
    # Steps large enough to show in the weights; dropped paths are every process's own.
    train = {"steps": 4, "log_every": 1, "drop_path": 0.0, "precision": "32-true"}
    train["optimiser"] = {"backbone_learning_rate": 1e-3}

    def trained(name: str, devices: int) -> tuple[dict, list[float]]:
        overlay = {"runs": {name: {"backbone": "demo-vit", "train": train}}}
        overlay["resources"] = {"train_devices": devices}
        run = RUN.format(name)
        call = client.start(name, f"{run}/backbone.safetensors", overlay=overlay)
        assert call.wait() == 0, call.tail()
        about = json.loads((client.folder / run / "training.json").read_text())
        assert about["processes"] == devices
        losses = [float(row["loss"]) for row in rows(client.folder / run / "metrics.csv")]
        return load_file(client.folder / run / "backbone.safetensors"), losses

    alone, losses = trained("alone", 1)
    shared, shared_losses = trained("shared", 2)
    log = (client.folder / "results/sparse/logs/train/shared.seed0.log").read_text()
    assert "Starting with 2 processes" in log
    assert shared_losses == pytest.approx(losses, rel=1e-4)
    start = load_file(client.folder / "data/sparse/weights/demo-vit.safetensors")
    # Biases left out: a key's has no gradient but rounding, of which Adam makes whole steps.
    for name in (name for name, weight in alone.items() if weight.ndim > 1):
        moved, apart = (alone[name] - start[name]).norm(), (shared[name] - alone[name]).norm()
        assert apart < 0.05 * moved, name


def test_a_rerun_completes_every_rule(client):
    call = client.start("rerun")
    assert call.wait() == 0, call.tail()
    assert (client.folder / "results/sparse/report/report.html").stat().st_size > 0
    assert resumed_at(client, "neco") > 0
    written = rows(client.folder / RUN.format("neco") / "metrics.csv")
    steps = [int(row["step"]) for row in written]
    assert steps == sorted(set(steps)) and steps[-1] == 39
    # One job at least of every kind that the profile submits, none of which failed.
    jobs = queue()
    ended = [jobs[number] for number in submitted(call)]
    assert {state for state, _ in ended} == {"COMPLETED"}
    for rule in ("train", "extract", "attend", "fine_tune", "in_context", "overcluster", "linear"):
        assert any(f"rule_{rule}" in what for _, what in ended), rule
    # Tables, figures and the report were one job.
    assert sum("report" in what for _, what in ended) == 1
