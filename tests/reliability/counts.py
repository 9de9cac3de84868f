"""What was tried and what went wrong, printed at the end of a run and kept for the documentation.

python -m tests.reliability.counts docs/reliability.md     after `make test-reliability`
"""

import json
import sys
from collections import Counter
from pathlib import Path

from neco.backbones.describe import renewed
from neco.files import write_json, write_text

KEPT = Path("build/reliability.json")
COMMAND = "python -m tests.reliability.counts docs/reliability.md"

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


def table(found: dict[str, dict[str, float]]) -> str:
    """Return counts as Markdown."""
    wrong = ", ".join(f"{kind} {count}" for kind, count in found["wrong"].items())
    kills, inputs = sum(found["kills"].values()), sum(found["inputs"].values())
    lines = [f"{kills} kills and {inputs} damaged or odd inputs; {wrong}.", ""]
    lines += ["| killed command | kills |", "| --- | --- |"]
    lines += [f"| {name} | {count} |" for name, count in found["kills"].items()]
    lines += ["", "| input | cases |", "| --- | --- |"]
    lines += [f"| {name} | {count} |" for name, count in found["inputs"].items()]
    lines += ["", "| answer | cases |", "| --- | --- |"]
    lines += [f"| {name} | {count} |" for name, count in found["answers"].items()]
    lines += ["", "| command | seconds from SIGTERM to its end |", "| --- | --- |"]
    lines += [f"| {name} | {seconds:.1f} |" for name, seconds in found["slowest"].items()]
    return "\n".join(lines)


if __name__ == "__main__":
    document = Path(sys.argv[1])
    content = table(json.loads(KEPT.read_text()))
    write_text(document, renewed(document.read_text(), document, COMMAND, content))
