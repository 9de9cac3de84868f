"""The tests of the suite that are skipped without a card, run where there is one.

pytest takes this module as a plugin, too: it notes how each test ended as soon as it has ended.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import records

if TYPE_CHECKING:  # the plugin needs no torch
    from benchmarks.gpu.bench import Bench

ROOT = Path(__file__).resolve().parents[2]
FILES = (
    "tests/sorting/test_triton_path.py",
    "tests/sorting/test_chunked.py",
    "tests/evaluate/search/test_exact.py",
    "tests/training/test_waiting.py",
)
CHOSEN = "(gpu or cuda) and not compile"
NOTES = "NECO_GPU_TESTS"
"""Environment variable with the file that the plugin writes"""
END = 3.0
"""Seconds of the part's time that are left for the records"""


def measure(bench: Bench) -> Iterator[dict[str, Any]]:
    """Yield how each test ended: passed, failed, skipped or not collected, and why.

    Raises RuntimeError in the end where one failed, none passed, or time was up.
    """
    notes = bench.scratch / "tests.jsonl"
    command = [sys.executable, "-m", "pytest", "-o", "addopts=", "-p", "no:cacheprovider", "-q"]
    command += ["-p", __name__, "--continue-on-collection-errors", "-k", CHOSEN, *FILES]
    why = ""
    try:
        run = subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | {NOTES: str(notes)},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=max(bench.left() - END, 1.0),
        )
        print(run.stdout[-8000:], run.stderr[-2000:])
        last = (run.stderr or run.stdout).strip()[-200:]
    except subprocess.TimeoutExpired as error:
        print((error.stdout or b"")[-8000:].decode(errors="replace"))
        last = why = "its time was up"
    found = [
        {key: value for key, value in row.items() if key != "part"} for row in records.read(notes)
    ]
    yield from found
    outcomes = [row["outcome"] for row in found]
    if not found:
        raise RuntimeError(f"no test was run: {last}")
    bad = sum(outcome in ("failed", "error") for outcome in outcomes)
    if bad:
        why = f"{bad} of {len(outcomes)} tests failed"
    elif not why and not bench.rehearse and "passed" not in outcomes:
        why = "every test was skipped"
    if why:
        raise RuntimeError(why)


def pytest_runtest_logreport(report: Any) -> None:
    """Note a test that has ended; pytest calls this for each of its three phases."""
    if report.when == "call" or report.outcome != "passed":
        outcome = "error" if report.failed and report.when != "call" else report.outcome
        _note(report.nodeid.rsplit("/", 1)[-1], outcome, report.duration, report.longrepr)


def pytest_collectreport(report: Any) -> None:
    """Note a file whose tests could not be collected, as where a package is missing."""
    if report.failed:
        _note(report.nodeid.rsplit("/", 1)[-1], "error", 0.0, report.longrepr)


def _note(test: str, outcome: str, seconds: float, why: Any) -> None:
    if NOTES not in os.environ:
        return
    told = why[-1] if isinstance(why, tuple) else str(why or "")
    lines = [line for line in told.strip().splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("E ")]
    record = {"part": "suite", "measured": "test", "test": test, "outcome": outcome}
    record["seconds"] = round(seconds, 2)
    if outcome != "passed":
        record["why"] = next(iter(errors or lines), "").removeprefix("E").strip()[:200]
    records.append(Path(os.environ[NOTES]), record)
