"""The shipped profile on a real cluster: everything runs, and what stops goes on.

    make test-slurm

Tests depend on the order they are written in: each uses what the ones before it computed.
"""

import csv
import json
import re
import subprocess

import pytest
import torch
from safetensors.torch import load_file

from tests.slurm.conftest import none_left, queue

pytestmark = pytest.mark.slow

RUN = "results/{}/runs/neco.seed0"


def rows(path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_an_interrupted_workflow_leaves_no_job_and_a_checkpoint(client):
    call = client.start("interrupted")
    rows_so_far = client.folder / RUN.format("sparse") / "metrics.partial"
    call.wait_until(lambda: rows_so_far.exists() and len(rows(rows_so_far)) > 1)
    call.interrupt()
    assert call.wait(120) != 0
    assert none_left()
    assert "CANCELLED" in {state for state, _ in queue().values()}
    assert (client.folder / RUN.format("sparse") / "checkpoint.ckpt").exists()


def test_a_rerun_completes_every_rule(client):
    call = client.start("rerun")
    assert call.wait() == 0, call.tail()
    assert (client.folder / "results/sparse/report/report.html").stat().st_size > 0
    assert resumed_at(client, "sparse") > 0
    written = rows(client.folder / RUN.format("sparse") / "metrics.csv")
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


def test_a_training_over_its_time_limit_is_retried_and_goes_on(client):
    # As many steps as took 300 s of the run before: more than a limit of 3 minutes lets through,
    # start included, however much faster the machine is by now.
    about = json.loads((client.folder / RUN.format("sparse") / "training.json").read_text())
    last_start = resumed_at(client, "sparse")
    steps = round(300 * (about["steps"] - last_start) / about["seconds"])
    overlay = {
        "name": "limited",
        "runs": {"neco": {"train": {"steps": steps, "log_every": 10}}},
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
    def trained(name: str, devices: int) -> dict:
        overlay = {
            "name": name,
            "runs": {"neco": {"train": {"steps": 5, "precision": "32-true"}}},
            "resources": {"train_devices": devices},
        }
        call = client.start(name, RUN.format(name) + "/backbone.safetensors", overlay=overlay)
        assert call.wait() == 0, call.tail()
        about = json.loads((client.folder / RUN.format(name) / "training.json").read_text())
        assert about["processes"] == devices
        return load_file(client.folder / RUN.format(name) / "backbone.safetensors")

    alone, shared = trained("alone", 1), trained("shared", 2)
    for name, weight in alone.items():
        torch.testing.assert_close(shared[name], weight, rtol=1e-4, atol=1e-6, msg=name)


def submitted(call) -> list[str]:
    """Return the numbers of a call's jobs, in the order of submission."""
    return re.findall(r"submitted with SLURM jobid (\d+)", call.text())


def resumed_at(client, name: str) -> int:
    """Return the step from which the last start of a training went on, 0 from the beginning."""
    log = (client.folder / f"results/{name}/logs/train/neco.seed0.log").read_text()
    return int((re.findall(r"continues at step (\d+) of", log) or [0])[-1])


def time_limit(job: str) -> str:
    """Return the time limit of a job, as SLURM prints it."""
    command = ["squeue", "--noheader", "--states=all", f"--jobs={job}", "--format=%l"]
    return subprocess.check_output(command, text=True).strip()
