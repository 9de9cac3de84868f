"""Every proof that needs a card, one part after the other, each in a process and time of its own.

    python3 -m benchmarks.gpu --json results.jsonl --minutes 9
    python3 -m benchmarks.gpu --json results.jsonl --parts search suite
    python3 -m benchmarks.gpu --rehearse

A part that dies, hangs or lacks a package costs itself only: its lines so far are kept, and the
next part starts. A part that the file already shows as done on this card is not run again, and one
that ended otherwise waits until the others had their turn.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

from benchmarks import records
from benchmarks.gpu import summary
from benchmarks.gpu.bundle import lay_out
from benchmarks.gpu.parts import ENDED, PARTS, WHERE, Part

ROOT = Path(__file__).resolve().parents[2]
GRACE = 20.0
"""Seconds past its time after which a part is ended: the start of Python and CUDA."""
ASKING = 1.0
"""Seconds in which a part whose time is up writes to the log where it is."""
DYING = 10.0
"""Seconds that a killed part is waited for. One that hangs in the driver may never end."""
ANSWER = 180.0
"""Seconds in which PyTorch has to find the card; its first import from a slow disk takes long."""
ASK = """
import os, sys, torch
if not torch.cuda.is_available():
    cards = os.environ.get("CUDA_VISIBLE_DEVICES")
    told = "" if cards is None else f" (CUDA_VISIBLE_DEVICES is '{cards}')"
    sys.exit(f"no CUDA device is visible to PyTorch {torch.__version__} here{told}")
torch.ones(8, device="cuda").sum().item()
print(torch.cuda.get_device_name())
"""


class NoCardError(Exception):
    """There is no card to measure on; the message says why."""


def main() -> int:
    """Run, print the table, and return 1 where a part failed."""
    chosen = arguments()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    # A part that hangs may write on while its folder is removed.
    with tempfile.TemporaryDirectory(prefix="neco-gpu-", ignore_cleanup_errors=True) as folder:
        environment = environment_of(chosen.bundle, Path(folder))
        try:
            device = None if chosen.rehearse else card_of(environment)
        except NoCardError as error:
            print(f"{error}; --rehearse runs every part on the CPU", file=sys.stderr)
            return 1
        try:
            run_all(chosen, device, environment)
        finally:
            print(summary.table(records.read(chosen.json)))
            print(f"\n{chosen.json}: the lines behind it; `neco plan --measured` reads the file")
    return int(summary.failed(records.read(chosen.json)))


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


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
    if chosen.bundle is not None:
        chosen.bundle = chosen.bundle.resolve()
        if not chosen.bundle.is_dir():
            parser.error(f"--bundle {chosen.bundle}: there is no such folder; unpack the bundle")
    if chosen.json is None:
        name = "rehearsal.jsonl" if chosen.rehearse else "results.jsonl"
        chosen.json = ROOT / "build" / "gpu" / name
        if chosen.rehearse:
            chosen.json.unlink(missing_ok=True)
    chosen.json = chosen.json.resolve()  # parts run in another folder
    return chosen


def environment_of(bundle: Path | None, folder: Path) -> dict[str, str]:
    """Return the variables of every part.

    folder: for what wheels hold, and for temporary files, of which a killed part removes none.
    """
    environment = dict(os.environ, PYTHONUNBUFFERED="1", PYTHONFAULTHANDLER="1")
    environment |= {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(ROOT), *lay_out(bundle, folder / "packages"), environment.get("PYTHONPATH", "")]
    ).rstrip(os.pathsep)
    (folder / "scratch").mkdir()
    environment["TMPDIR"] = str(folder / "scratch")
    # A home folder may be small or not writable, and a second call finds here what was compiled.
    kept = ROOT / "build" / "gpu" / "compiled"
    environment.setdefault("TRITON_CACHE_DIR", str(kept / "triton"))
    environment.setdefault("TORCHINDUCTOR_CACHE_DIR", str(kept / "inductor"))
    return environment


def card_of(environment: dict[str, str]) -> str:
    """Return the name of the card that PyTorch computes on, asked in a process of its own.

    Raises NoCardError where there is none, or where it does not answer.
    """
    try:
        asked = subprocess.run(
            [sys.executable, "-c", ASK],
            env=environment,
            capture_output=True,
            text=True,
            timeout=ANSWER,
        )
    except subprocess.TimeoutExpired:
        raise NoCardError(f"PyTorch found no card in {ANSWER:.0f} s") from None
    if asked.returncode:
        lines = asked.stderr.strip().splitlines() or [f"exit code {asked.returncode}"]
        raise NoCardError(lines[-1])
    return asked.stdout.strip().splitlines()[-1]


def run_all(chosen: argparse.Namespace, device: str | None, environment: dict[str, str]) -> None:
    """Run the parts that are asked for, as long as there is time."""
    until = time.monotonic() + 60 * chosen.minutes
    for part in in_order(chosen, device):
        seconds = min(part.seconds, until - time.monotonic() - GRACE)
        if seconds < part.fewest:
            reason = f"{max(seconds, 0):.0f} s were left; run it with --parts {part.name}"
            note(chosen.json, part, "not started", reason, chosen.rehearse)
            continue
        run(part, chosen, seconds, environment)


def in_order(chosen: argparse.Namespace, device: str | None) -> list[Part]:
    """Return the parts to run: by worth, and those that ended badly before after all others."""
    parts = [part for part in PARTS if part.name in (chosen.parts or [part.name])]
    if not chosen.parts:
        for part in parts:
            if is_done(part, chosen.json, chosen.rehearse, device):
                print(f"{part.name}: done before", file=sys.stderr)
        parts = [p for p in parts if not is_done(p, chosen.json, chosen.rehearse, device)]
    tried = {
        row["part"]
        for row in records.read(chosen.json)
        if row.get("status") in (*ENDED, "stopped") and row.get("rehearsed") == chosen.rehearse
    }
    return sorted(parts, key=lambda part: part.name in tried)


def is_done(part: Part, path: Path, rehearsed: bool, device: str | None = None) -> bool:
    """Return whether the file says that the part ran to its end, on this device where one is named.

    Figures of two cards must not be taken for one's.
    """
    return any(
        row["part"] == part.name
        and row.get("status") == "done"
        and row.get("rehearsed") == rehearsed
        and device in (None, row.get("device"))
        for row in records.read(path)
    )


def run(
    part: Part, chosen: argparse.Namespace, seconds: float, environment: dict[str, str]
) -> None:
    """Run a part in a process of its own; note it where it could not say itself how it ended."""
    print(f"{part.name}: {part.about}, at most {seconds:.0f} s", file=sys.stderr)
    before = len(records.read(chosen.json))
    log = chosen.json.with_suffix(".log")
    reason = in_time(command_of(part, chosen, seconds), seconds + GRACE, environment, log)
    if not any(row.get("status") in ENDED for row in records.read(chosen.json)[before:]):
        note(chosen.json, part, "stopped", reason, chosen.rehearse)


def command_of(part: Part, chosen: argparse.Namespace, seconds: float) -> list[str]:
    """Return the command that runs a part."""
    command = [sys.executable, "-m", "benchmarks.gpu.part", part.name, "--json", str(chosen.json)]
    command += ["--seconds", f"{seconds:.0f}"]
    command += ["--rehearse"] if chosen.rehearse else []
    return command + (["--bundle", str(chosen.bundle)] if chosen.bundle else [])


def in_time(command: list[str], seconds: float, environment: dict[str, str], log: Path) -> str:
    """Run a command, its output to the log; end it and all it started when its time is up.

    Returns how it ended, in words.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as output:
        child = subprocess.Popen(
            command, env=environment, cwd=ROOT, stdout=output, stderr=output, start_new_session=True
        )
        stuck = ""
        try:
            code = child.wait(seconds)
            told = f"ended by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        except subprocess.TimeoutExpired:
            told = f"its time was up ({seconds:.0f} s)"
            child.send_signal(WHERE)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(ASKING)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            try:
                child.wait(DYING)
            except subprocess.TimeoutExpired:
                stuck = "; it hangs in the system and may hold the card"
    return f"{told}{stuck}; {log.name} says more"


def note(path: Path, part: Part, status: str, reason: str, rehearsed: bool) -> None:
    """Write how a part ended that could not write it itself."""
    print(f"{part.name}: {status}: {reason}", file=sys.stderr)
    try:
        records.append(
            path, {"part": part.name, "rehearsed": rehearsed, "status": status, "reason": reason}
        )
    except OSError as error:  # the next part and the table are worth more than this line
        print(f"{path}: {error.strerror}: the line is lost", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
