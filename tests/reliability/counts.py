"""What was tried and what went wrong, printed at the end of a run and kept for the documentation.

After `make test-reliability`:
python -m tests.reliability.counts docs/reliability.md benchmarks/results/README.md
"""

import json
import sys
from collections import Counter
from pathlib import Path

from neco.documents import renew
from neco.files import write_json

KEPT = Path("build/reliability.json")
COMMAND = "python -m tests.reliability.counts docs/reliability.md benchmarks/results/README.md"

kills: Counter[str] = Counter()
inputs: Counter[str] = Counter()
answers: Counter[str] = Counter()
wrong: Counter[str] = Counter(dict.fromkeys(("lost", "silent", "tracebacks", "hangs"), 0))
slowest: dict[str, float] = {}
"""Seconds from SIGTERM to the end, by command."""


def note(said: list[str]) -> None:
    """Count what is wrong after one kill or input."""
    for line in said:
        kind = "lost"
        for mark, name in (("silent", "silent"), ("raceback", "tracebacks"), ("hangs", "hangs")):
            kind = name if mark in line else kind
        wrong[kind] += 1


def told() -> list[str]:
    """Return the counts in words, one line each."""
    lines = []
    for name, counted in (("kills", kills), ("inputs", inputs)):
        if counted:
            each = ", ".join(f"{kind} {count}" for kind, count in counted.items())
            lines.append(f"{name}: {counted.total()} ({each})")
    if answers:
        lines.append(f"answers: {', '.join(f'{kind} {n}' for kind, n in answers.items())}")
    if slowest:
        each = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in slowest.items())
        lines.append(f"SIGTERM to end: {each}")
    if lines:
        lines.append(f"wrong: {', '.join(f'{kind} {count}' for kind, count in wrong.items())}")
    return lines


def keep() -> None:
    """Write the counts of this run."""
    write_json(KEPT, {"kills": kills, "inputs": inputs, "answers": answers, "wrong": wrong,
                      "slowest": slowest})  # fmt: skip


def summary(found: dict[str, dict[str, float]]) -> str:
    """Return the sums of a run as one sentence."""
    each = ", ".join(f"{kind} {count}" for kind, count in found["wrong"].items())
    killed, tried = (sum(found[name].values()) for name in ("kills", "inputs"))
    return f"{killed} kills and {tried} damaged or odd inputs: {each}."


def table(found: dict[str, dict[str, float]]) -> str:
    """Return the counts of a run as a table in Markdown, with a row for each kind of count."""
    rows = {
        "kills, by command": found["kills"],
        "damaged or odd inputs": found["inputs"],
        "answers to inputs": found["answers"],
        "seconds from SIGTERM to the command's end": {
            name: f"{seconds:.1f}" for name, seconds in found["slowest"].items()
        },
    }
    lines = ["| what | how many |", "| --- | --- |"]
    for name, counted in rows.items():
        each = "; ".join(f"{kind} {count}" for kind, count in counted.items())
        lines.append(f"| {name} | {each} |")
    return "\n".join(lines)


if __name__ == "__main__":
    counted = json.loads(KEPT.read_text())
    page, measurements = (Path(name) for name in sys.argv[1:])
    renew(page, COMMAND, summary(counted))
    renew(measurements, COMMAND, table(counted))
