"""What can be said of the Dockerfile without building it."""

import re
import subprocess
import sys
from pathlib import Path

from tests.repository import REPOSITORY

DOCKERFILE = (REPOSITORY / "Dockerfile").read_text()
INSTRUCTIONS = [line for line in DOCKERFILE.splitlines() if re.match(r"[A-Z]+ ", line)]


def test_hadolint_finds_nothing():
    hadolint = Path(sys.executable).parent / "hadolint"
    called = subprocess.run(
        [hadolint, "Dockerfile"], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert called.returncode == 0, called.stdout + called.stderr


def test_the_base_is_pinned_by_digest_and_has_the_cuda_of_torch():
    base = re.search(r"^ARG BASE=(\S+)$", DOCKERFILE, re.MULTILINE).group(1)
    pinned = re.fullmatch(r"nvidia/cuda:(\d+\.\d+)\.\d+-base-[a-z0-9.]+@sha256:[0-9a-f]{64}", base)
    assert pinned, base
    lock = (REPOSITORY / "requirements.lock").read_text()
    toolkit = re.search(r"^cuda-toolkit==(\d+\.\d+)\.", lock, re.MULTILINE).group(1)
    assert pinned.group(1) == toolkit


def test_runs_as_a_user_without_privileges_and_checks_no_health():
    user = [line for line in INSTRUCTIONS if line.startswith("USER")]
    assert len(user) == 1 and int(user[0].split()[1]) >= 1000
    assert not any(line.startswith("HEALTHCHECK") for line in INSTRUCTIONS)


def test_the_lock_is_installed_before_the_project_is_copied():
    steps = "\n".join(INSTRUCTIONS)
    assert steps.index("COPY requirements.lock") < steps.index("COPY . .")
    assert "--require-hashes -r /opt/requirements.lock" in DOCKERFILE


def test_the_context_holds_only_what_is_named():
    lines = (REPOSITORY / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    for name in (rule[1:] for rule in rules if rule.startswith("!")):
        assert (REPOSITORY / name).exists(), name


def test_the_workflow_names_the_file_that_make_apptainer_writes():
    snakefile = (REPOSITORY / "workflow" / "Snakefile").read_text()
    image = re.search(r'^container: "(.+)"$', snakefile, re.MULTILINE).group(1)
    assert re.search(rf"^SIF := {re.escape(image)}$", (REPOSITORY / "Makefile").read_text(), re.M)
