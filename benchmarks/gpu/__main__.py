"""Every proof that needs a card, one part after the other, each in a process and time of its own.

    python3 -m benchmarks.gpu --json results.jsonl --minutes 9
    python3 -m benchmarks.gpu --json results.jsonl --parts search suite
    python3 -m benchmarks.gpu --rehearse

A part that dies, hangs or lacks a package costs itself only: its lines so far are kept, and the
next part starts. A part that the file already shows as done is not run again.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.gpu import records, summary
from benchmarks.gpu.bundle import lay_out
from benchmarks.gpu.part import ENDED
from benchmarks.gpu.parts import PARTS, Part

ROOT = Path(__file__).resolve().parents[2]
GRACE = 20.0
"""Seconds past its time after which a part is ended: the start of Python and CUDA."""


def main() -> int:
    """Run, print the table, and return 1 where a part failed."""
    chosen = arguments()
    environment = dict(os.environ, PYTHONUNBUFFERED="1", TOKENIZERS_PARALLELISM="false")
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(ROOT), *lay_out(chosen.bundle), environment.get("PYTHONPATH", "")]
    ).rstrip(os.pathsep)
    if not chosen.rehearse and not card_is_there(environment):
        print(
            "no CUDA device is visible to PyTorch here; --rehearse runs every part on the CPU",
            file=sys.stderr,
        )
        return 1
    until = time.monotonic() + 60 * chosen.minutes
    for part in PARTS:
        if part.name not in (chosen.parts or [part.name]):
            continue
        if not chosen.parts and is_done(part, chosen.json, chosen.rehearse):
            print(f"{part.name}: done before", file=sys.stderr)
            continue
        seconds = min(part.seconds, until - time.monotonic() - 5)
        if seconds < part.fewest:
            reason = f"{max(seconds, 0):.0f} s were left; run it with --parts {part.name}"
            note(chosen.json, part, "not started", reason, chosen.rehearse)
            continue
        run(part, chosen, seconds, environment)
    print(summary.table(records.read(chosen.json)))
    print(f"\n{chosen.json}: the lines behind it; `neco plan --measured` reads the file")
    return int(summary.failed(records.read(chosen.json)))


def arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--json", type=Path, help="file of records (build/gpu/results.jsonl)")
    parser.add_argument("--rehearse", action="store_true", help="on the CPU, at toy size")
    parser.add_argument("--parts", nargs="+", choices=[part.name for part in PARTS])
    parser.add_argument("--minutes", type=float, default=30.0, help="of all parts (default 30)")
    parser.add_argument("--bundle", type=Path, help="folder that `make gpu-bundle` made")
    chosen = parser.parse_args()
    if chosen.json is None:
        name = "rehearsal.jsonl" if chosen.rehearse else "results.jsonl"
        chosen.json = ROOT / "build" / "gpu" / name
        if chosen.rehearse:
            chosen.json.unlink(missing_ok=True)
    return chosen


def card_is_there(environment: dict[str, str]) -> bool:
    """Return whether PyTorch sees a card, asked in a process that does not keep it."""
    asked = "import sys, torch; sys.exit(not torch.cuda.is_available())"
    return subprocess.run([sys.executable, "-c", asked], env=environment).returncode == 0


def is_done(part: Part, path: Path, rehearsed: bool) -> bool:
    """Return whether the file says that the part ran to its end."""
    return any(
        row["part"] == part.name and row.get("status") == "done" and row["rehearsed"] == rehearsed
        for row in records.read(path)
    )


def run(part: Part, chosen: argparse.Namespace, seconds: float, environment: dict) -> None:
    """Run a part in a process of its own; note it where it could not say itself how it ended."""
    print(f"{part.name}: {part.about}, at most {seconds:.0f} s", file=sys.stderr)
    command = [sys.executable, "-m", "benchmarks.gpu.part", part.name, "--json", str(chosen.json)]
    command += ["--seconds", f"{seconds:.0f}"]
    command += ["--rehearse"] if chosen.rehearse else []
    command += ["--bundle", str(chosen.bundle.resolve())] if chosen.bundle else []
    before = len(records.read(chosen.json))
    reason = in_time(command, seconds + GRACE, environment, chosen.json.with_suffix(".log"))
    if not any(row.get("status") in ENDED for row in records.read(chosen.json)[before:]):
        note(chosen.json, part, "stopped", reason, chosen.rehearse)


def in_time(command: list[str], seconds: float, environment: dict[str, str], log: Path) -> str:
    """Run a command, its output to the log; end it and all it started when its time is up.

    Returns how it ended, in words.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as output:
        child = subprocess.Popen(
            command, env=environment, cwd=ROOT, stdout=output, stderr=output, start_new_session=True
        )
        try:
            code = child.wait(seconds)
            return f"exit code {code}; {log.name} says more"
        except subprocess.TimeoutExpired:
            return f"its time was up ({seconds:.0f} s)"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def note(path: Path, part: Part, status: str, reason: str, rehearsed: bool) -> None:
    """Write how a part ended that could not write it itself."""
    print(f"{part.name}: {status}: {reason}", file=sys.stderr)
    records.append(
        path, {"part": part.name, "rehearsed": rehearsed, "status": status, "reason": reason}
    )


if __name__ == "__main__":
    sys.exit(main())
