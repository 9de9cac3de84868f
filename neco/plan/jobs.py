"""The dry run of Snakemake, the jobs that it lists, and which of them a file needs."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from neco.errors import UserError

JOB = re.compile(r"^(?:local)?rule (\S+):\n((?:    \S.*\n)*)", re.MULTILINE)
NOT_WORK = {"all"}
"""Rules that only name files."""


@dataclass(frozen=True)
class Job:
    """One job of a dry run."""

    rule: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def refuse_no_snakefile() -> None:
    """Raise UserError where the current folder is not the repository's."""
    if not Path("Snakefile").exists():
        raise UserError("no Snakefile here; run this in the repository's folder")


def dry_run(config: Path, settings: list[str], *arguments: str) -> str:
    """Return what Snakemake says it would start. Raises UserError where it refuses."""
    refuse_no_snakefile()
    command = [sys.executable, "-m", "snakemake", "--dry-run", *arguments]
    command += ["--configfile", str(config)]
    if settings:
        command += ["--config", *settings]
    run = subprocess.run(command, capture_output=True, text=True)  # noqa: S603 (own words, no shell)
    if run.returncode:
        raise UserError(f"the dry run failed: {(run.stdout + run.stderr).strip()[-300:]}")
    return run.stdout + run.stderr


def read_jobs(text: str) -> list[Job]:
    """Return the jobs in the text of `snakemake --dry-run`."""
    jobs = []
    for rule, body in JOB.findall(text):
        if rule not in NOT_WORK:
            stated = dict(line.strip().split(": ", 1) for line in body.splitlines())
            inputs, outputs = (stated.get(name, "").split(", ") for name in ("input", "output"))
            jobs.append(Job(rule, tuple(inputs), tuple(outputs)))
    return jobs


def leading_to(files: Iterable[str], jobs: Iterable[Job]) -> list[Job]:
    """Return the jobs that make `files`, and those that make what these read."""
    makes = {output: job for job in jobs for output in job.outputs}
    found: dict[Job, None] = {}
    wanted = list(files)
    while wanted:
        job = makes.get(wanted.pop())
        if job is not None and job not in found:
            found[job] = None
            wanted += job.inputs
    return list(found)


def by_rule(jobs: Iterable[Job]) -> Counter[str]:
    """Return how many jobs each rule has."""
    return Counter(job.rule for job in jobs)
