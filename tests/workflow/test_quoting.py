"""Every value that a user writes reaches the commands whole, whatever a shell would make of it."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from neco.config import Project
from neco.config.base import validated
from neco.errors import UserError

REPOSITORY = Path(__file__).parents[2]
ODD = 'it\'s "odd"; touch oops; $(touch oops) & `touch oops` ü'
BACKBONE = f"hf-hub:{ODD} {{b}}"


@pytest.fixture
def project(tmp_path) -> Path:
    """Return the file of a project whose free values are odd, with one job of every rule."""
    values = {
        "name": "odd",
        "data": f"data {ODD}",
        "mirrors": [f"https://localhost/{ODD} {{m}}"],
        "mirror": str(tmp_path / f"mirror {ODD} {{m}}"),
        "datasets": {"ade20k": {}},
        "backbones": [BACKBONE],
        "runs": {
            "neco": {
                "backbone": BACKBONE,
                "method": f"NeCo {ODD} {{r}}",
                "train": {"dataset": "ade20k"},
            }
        },
        "linear": {"augment": False},
        "evaluations": [
            {"protocol": name, "datasets": ["ade20k"]}
            for name in ("in-context", "overcluster", "linear", "segmenter", "unsupervised")
        ],
        "report": {"dataset": "ade20k", "tables": ["8"]},
        "segmenter": {"learning_rates": [3e-5]},
    }
    path = tmp_path / "odd.yaml"
    path.write_text(yaml.safe_dump(values, allow_unicode=True))
    return path


EMPTY_ZIP = b"PK\x05\x06" + bytes(18)


def snakemake(project: Path, *arguments: str, fails: bool = False) -> str:
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile")]
    command += ["--directory", str(project.parent), "--configfile", str(project), "--cores", "1"]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    run = subprocess.run(
        [*command, *arguments], capture_output=True, text=True, cwd=REPOSITORY, env=environment
    )
    assert bool(run.returncode) == fails, run.stdout + run.stderr
    return run.stdout + run.stderr


def test_a_shell_runs_nothing_but_the_commands(project, tmp_path):
    """Every command of a dry run, by a shell in which `python` and `sh` only note their words."""
    found = snakemake(project, "--dry-run", "--printshellcmds")
    commands = re.findall(r"(?m)^Shell command: (python|exec|\()(.*)$", found)
    rules = set(re.findall(r"(?m)^(?:local)?rule (\w+):", found))
    assert {"fetch", "prepare", "weights", "train", "extract", "attend", "fine_tune"} <= rules
    assert len(commands) > 15
    told = tmp_path / "words"
    for name in ("python", "sh"):
        script = tmp_path / "bin" / name
        script.parent.mkdir(exist_ok=True)
        script.write_text(f"#!/bin/bash\nprintf '%s\\0' \"$@\" >> {shlex.quote(str(told))}\n")
        script.chmod(0o755)
    for start, rest in commands:
        line = re.sub(r">>? \S+\.log", "> log", start + rest).replace("tee results", "tee ./log #")
        path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
        subprocess.run(["bash", "-c", line], cwd=tmp_path, check=True, env={"PATH": path})
    assert not list(tmp_path.rglob("oops"))
    words = set(told.read_text().split("\0"))
    assert {BACKBONE, f"data {ODD}/archives", f"data {ODD}/prepared/ade20k"} <= words
    assert {f"https://localhost/{ODD} {{m}}", str(tmp_path / f"mirror {ODD} {{m}}")} <= words
    assert all(ODD in word for word in words if "touch oops" in word)


def test_a_job_really_runs(project, tmp_path):
    mirror = tmp_path / f"mirror {ODD} {{m}}"
    mirror.mkdir(parents=True)
    (mirror / "ADEChallengeData2016.zip").write_bytes(EMPTY_ZIP)
    archive = f"data {ODD}/archives/ADEChallengeData2016.zip"
    snakemake(project, archive)
    assert (tmp_path / archive).read_bytes() == EMPTY_ZIP
    assert not list(tmp_path.rglob("oops"))
    # Another project over the same data fetches nothing anew.
    other = ("--config", "name=other", "--rerun-triggers", "mtime", "params", "input", "code")
    assert "Nothing to be done" in snakemake(project, archive, "--dry-run", *other)


def test_a_failure_before_a_pipe_is_one(project, tmp_path):
    """`neco fetch` is shown and logged by way of `tee`, which succeeds whatever comes before."""
    mirror = tmp_path / f"mirror {ODD} {{m}}"
    mirror.mkdir(parents=True)
    (mirror / "ADEChallengeData2016.zip").write_bytes(b"<html>log in</html>")
    told = snakemake(project, f"data {ODD}/archives/ADEChallengeData2016.zip", fails=True)
    assert "Error in rule fetch" in told and "MissingOutputException" not in told


@pytest.mark.parametrize(
    "values",
    [
        {"data": "my {data}"},
        {"name": "my project"},
        {"datasets": {"my data": {}}},
        {"datasets": {"ade20k": {"val": "my split"}}},
        {"datasets": {"ade20k": {"val": "my.split"}}},
        {"runs": {"my run": {"backbone": "demo-vit"}}},
    ],
)
def test_names_of_files_are_refused_where_they_cannot_be_any(values):
    with pytest.raises(UserError, match="pattern"):
        validated(Project, values, "project")
