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


def start(folder: Path) -> subprocess.Popen[str]:
    """Start the workflow in a process group of its own."""
    folder.mkdir(exist_ok=True)
    (folder / "project.yaml").write_text(yaml.safe_dump(PROJECT))
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
