"""Commands that are killed at a chosen change of the file system or at a random time, and rerun.

A child is forked from a server that has imported everything, so that a kill costs no start of
Python. It counts what it does to the files below one folder, and kills itself before the n-th.
"""

import hashlib
import json
import multiprocessing
import os
import re
import signal
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate"}
LIMIT = 240
"""Seconds after which a run counts as hanging."""
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.reliability.preloaded"])
TIMED = re.compile(r"seconds|images_per_second|data_wait|created|starts|began|measured|date")
LEFT = re.compile(r"\.part$|\.lock$|\.partial$|\.refused$")


def _is_change(event: str, arguments: tuple[Any, ...], below: str) -> bool:
    if event == "open":
        path, mode, flags = arguments
        writes = any(c in mode for c in "wax+") if mode else flags & (os.O_WRONLY | os.O_RDWR)
    else:
        path, writes = arguments[0], event in CHANGES
    return bool(writes) and isinstance(path, str | Path) and str(path).startswith(below)


def _child(arguments: list[str], below: str, at: int | None, told: str) -> None:
    """Run a command; die before the `at`-th change below a folder. Note the number of changes."""
    os.setsid()
    os.environ["OMP_NUM_THREADS"] = "1"
    log = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    import torch

    torch.set_num_threads(1)
    done = 0

    def count() -> None:
        nonlocal done
        if done == at:
            os.kill(os.getpid(), signal.SIGKILL)
        done += 1

    def hook(event: str, details: tuple[Any, ...]) -> None:
        if (event == "open" or event in CHANGES) and _is_change(event, details, below):
            count()

    sync = os.fsync

    def fsync(descriptor: int) -> None:
        count()
        sync(descriptor)

    os.fsync = fsync
    sys.addaudithook(hook)
    from neco.cli import main

    status = main(arguments)
    os.write(log, f"\nchanges: {done}\n".encode())
    os._exit(status)


@dataclass
class Ended:
    """How a child ended: its exit code (negative: a signal; None: it hung), and what it told."""

    code: int | None
    told: str
    seconds: float

    @property
    def changes(self) -> int:
        """How often it changed the file system."""
        found = re.search(r"^changes: (\d+)$", self.told, re.M)
        return int(found[1]) if found else 0


def run(
    arguments: list[object], below: Path, *, at: int | None = None, after: float | None = None,
    number: int = signal.SIGKILL,
) -> Ended:  # fmt: skip
    """Run a command in a child; end it at a change, or `after` seconds by the signal `number`."""
    told = below.with_name(f"{below.name}.told")
    told.write_text("")
    words = [str(argument) for argument in arguments]
    child = CONTEXT.Process(target=_child, args=(words, str(below), at, str(told)))
    began = time.monotonic()
    child.start()
    if after is not None:
        child.join(after)
        if child.is_alive():
            os.kill(child.pid, number)
            began = time.monotonic()
    child.join(LIMIT)
    code = child.exitcode
    if child.is_alive():
        child.kill()
        child.join()
    return Ended(code, told.read_text(errors="replace"), time.monotonic() - began)


@dataclass(frozen=True)
class Scenario:
    """A command that is killed, again and again."""

    name: str
    command: Callable[[Path], list[object]]
    """Of the folder that it may write below."""
    kills: int
    """At chosen changes, spread evenly."""
    random: int = 0
    """At random times."""


def contents(folder: Path) -> dict[str, str]:
    """Return the digest of every file below a folder, but for times and dates in it."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_dir() or "tensorboard" in name or name.endswith(("record.json", ".record")):
            continue
        found[name] = hashlib.sha256(_timeless(path)).hexdigest()[:12]
    return found


def _timeless(path: Path) -> bytes:
    if path.suffix == ".json":
        plain = json.dumps(_without_times(json.loads(path.read_text())))
        return plain.encode()
    if path.suffix == ".csv" and path.name.startswith("metrics"):
        rows = [line.split(",") for line in path.read_text().splitlines()]
        kept = [i for i, name in enumerate(rows[0]) if not TIMED.search(name)]
        return "\n".join(",".join(row[i] for i in kept) for row in rows).encode()
    if path.suffix in (".zip", ".npz"):  # its members bear the time of writing
        with zipfile.ZipFile(path) as archive:
            return repr([(member.filename, member.CRC) for member in archive.infolist()]).encode()
    return path.read_bytes()


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            k: _without_times(v)
            for k, v in value.items()
            if not TIMED.search(k) and k not in ("digest", "content_digest", "result_digest")
        }
    return [_without_times(inner) for inner in value] if isinstance(value, list) else value


def points(changes: int, kills: int) -> Iterator[int]:
    """Yield `kills` changes, spread evenly, the first and the last among them."""
    last = max(changes - 1, 0)
    yield from sorted({round(i * last / max(kills - 1, 1)) for i in range(kills)})


def killed(scenario: Scenario, place: Path, whole: dict[str, str], **when: Any) -> list[str]:
    """Kill a command once, run it again, and return in words what is wrong then."""
    first = run(scenario.command(place), place, **when)
    wrong = []
    if first.code not in (-signal.SIGKILL, 0):
        wrong.append(f"ended with {first.code} instead of being killed: {first.told[-300:]}")
    again = run(scenario.command(place), place)
    if again.code is None:
        wrong.append("hangs when it is called again")
    elif again.code != 0:
        wrong.append(f"called again it ends with {again.code}: {again.told[-600:]}")
    if "Traceback" in again.told:
        wrong.append(f"a traceback: {again.told[-600:]}")
    found = contents(place)
    left = [name for name in found if LEFT.search(name)]
    if left:
        wrong.append(f"left over: {left}")
    differing = {n for n in found.keys() | whole.keys() if found.get(n) != whole.get(n)} - {*left}
    if differing:
        wrong.append(f"differs from an uninterrupted run: {sorted(differing)}")
    return wrong
