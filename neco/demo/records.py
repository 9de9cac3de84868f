"""What Snakemake writes while it works: which jobs there are, which run, are done, failed."""

import re
import time
from collections.abc import Callable, Mapping

TYPICAL = {
    "scenes": 4.0, "prepare": 1.0, "weights": 4.0, "train": 72.0, "extract": 8.0,
    "in_context": 6.0, "overcluster": 6.0, "models": 1.0, "table": 1.0, "summary": 1.0,
    "verify": 1.0, "figure": 7.0, "report": 1.0,
}  # fmt: skip
"""Seconds of a job of each rule in the short demo, from processor seconds on cores with AVX2. They
only divide the bar: on a slower machine all jobs are stretched alike."""
FULL = {**TYPICAL, "train": 300.0, "in_context": 27.0}
"""The same in the published demo: 120 steps of 2.5 seconds on one core, a memory four times as
large."""
STEPS = {
    "scenes": "draw the scenes",
    "prepare": "prepare the dataset",
    "weights": "fetch the starting backbone",
    "train": "train NeCo",
    "extract": "extract features",
    "in_context": "evaluate in-context",
    "overcluster": "evaluate overclustering",
    "models": "describe the models",
    "table": "write tables",
    "summary": "write tables",
    "verify": "write tables",
    "figure": "draw figures",
    "report": "write the report",
}
"""What the progress line calls the jobs of a rule."""

STATED = re.compile(r"^(\w+) +(\d+)$")
STARTED = re.compile(r"^(?:local)?rule (\w+):$")
NUMBER = re.compile(r"^    jobid: (\d+)$")
FINISHED = re.compile(r"^Finished jobid: (\d+)")
FAILED = re.compile(r"^Error in rule (\w+):$")
LOG = re.compile(r"^    log: (.+?)(?: \(check log file.*)?$")
NEARLY = 0.95
"""Largest share of a job that counts as done before Snakemake says so."""


class Records:
    """What Snakemake's lines have said until now.

    typical: seconds of a job by its rule; a rule without any counts as one second.
    clock: returns seconds.
    """

    def __init__(
        self,
        typical: Mapping[str, float] = TYPICAL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds, self._clock = typical, clock
        self._jobs: dict[str, int] = {}
        self._running: dict[str, tuple[str, float]] = {}
        self._rule = ""
        self._in_table = self._in_error = False
        self._typical = self._taken = self._ended = 0.0
        self._furthest = 0.0
        self.failed: dict[str, str] = {}
        """The log of every failed job, by its rule; empty where the rule has none."""

    def read(self, line: str) -> None:
        """Take in one line of what Snakemake writes."""
        line = line.rstrip()
        if line.startswith("Job stats:"):
            self._in_table, self._jobs = True, {}
        elif self._in_table and not line:
            self._in_table = False
        elif self._in_table and (stated := STATED.match(line)):
            if stated[1] not in ("all", "total"):  # which are no work
                self._jobs[stated[1]] = int(stated[2])
        elif started := STARTED.match(line):
            self._rule, self._in_error = started[1], False
        elif failed := FAILED.match(line):
            self._rule, self._in_error = failed[1], True
            self.failed.setdefault(failed[1], "")
        elif self._in_error and (log := LOG.match(line)):
            self.failed[self._rule] = log[1]
        elif not self._in_error and (number := NUMBER.match(line)):
            if self._rule in self._jobs:
                self._running[number[1]] = (self._rule, self._clock())
        elif finished := FINISHED.match(line):
            rule, began = self._running.pop(finished[1], ("", 0.0))
            if rule:
                self._ended += self._of(rule)
                self._typical += self._of(rule)
                self._taken += self._clock() - began

    @property
    def total(self) -> float:
        """Typical seconds of all jobs; 0 until Snakemake has listed them."""
        return sum(self._of(rule) * count for rule, count in self._jobs.items())

    @property
    def done(self) -> float:
        """Typical seconds of what is done, running jobs by the time that they have run.

        Jobs that run are taken to be as slow as those that ended. The number never falls.
        """
        pace = self._taken / self._typical if self._typical else 1.0
        now = self._clock()
        running = sum(
            self._of(rule) * min(NEARLY, (now - began) / max(pace * self._of(rule), 1e-9))
            for rule, began in self._running.values()
        )
        self._furthest = max(self._furthest, self._ended + running)
        return self._furthest

    @property
    def step(self) -> str:
        """What is under way, in words."""
        rules = dict.fromkeys(rule for rule, _ in self._running.values())
        return ", ".join(dict.fromkeys(STEPS.get(rule, rule) for rule in rules))

    def _of(self, rule: str) -> float:
        return self._seconds.get(rule, 1.0)
