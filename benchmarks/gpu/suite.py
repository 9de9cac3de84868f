"""The tests of the suite that are skipped without a card, run where there is one."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from benchmarks.gpu.bench import Bench

ROOT = Path(__file__).resolve().parents[2]
FILES = (
    "tests/sorting/test_triton_path.py",
    "tests/sorting/test_chunked.py",
    "tests/evaluate/search/test_exact.py",
    "tests/training/test_waiting.py",
)
CHOSEN = "(gpu or cuda) and not compile"


def measure(bench: Bench) -> Iterator[dict[str, Any]]:
    """Yield how each test ended: passed, failed or skipped, and why."""
    report = bench.scratch / "junit.xml"
    command = [sys.executable, "-m", "pytest", "-o", "addopts=", "-p", "no:cacheprovider", "-q"]
    command += ["-k", CHOSEN, f"--junitxml={report}", *FILES]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=bench.left())
    print(run.stdout[-4000:], run.stderr[-2000:])
    if not report.exists():
        raise RuntimeError(f"pytest did not start: {(run.stderr or run.stdout).strip()[-200:]}")
    cases = ElementTree.parse(report).iter("testcase")
    yield from (ended(case) for case in cases)


def ended(case: ElementTree.Element) -> dict[str, Any]:
    """Return how a test ended."""
    record = {
        "measured": "test",
        "test": f"{case.get('classname', '').rsplit('.', 1)[-1]}::{case.get('name')}",
        "outcome": "passed",
        "seconds": float(case.get("time", 0)),
    }
    for kind in ("failure", "error", "skipped"):
        found = case.find(kind)
        if found is not None:
            lines = (found.get("message") or "").strip().splitlines() or [""]
            record |= {"outcome": kind, "why": lines[0][:200]}
    return record
