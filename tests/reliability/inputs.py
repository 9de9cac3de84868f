"""Damaged and odd inputs, generated, each with the class of answer that is right for it."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.reliability.damage import CHANGED, CUT, FOREIGN, PLACES, copied, spoil
from tests.reliability.world import Answer, World, call

EQUAL, LINE, USAGE, LEFT_OUT = "accepted and equal", "one line", "usage", "left out and counted"


@dataclass(frozen=True)
class Case:
    """One input."""

    kind: str
    name: str
    prepare: Callable[[World, Path], list[object]]
    """Make the input below a folder; return the command that reads it and writes `folder/out`."""
    expected: str
    equal: Callable[[World, Path], bool] | None = None
    """Whether what was written is what an undamaged input gives."""
    statuses: tuple[int, ...] = (1,)
    """For one line."""


def judged(case: Case, world: World, folder: Path) -> list[str]:
    """Run a case and return in words what is wrong with the answer."""
    folder.mkdir(parents=True)
    command = case.prepare(world, folder)
    before = _listing(folder)
    answer = call(*command)
    wrong = _wrong(case, answer)
    if not wrong and case.expected in (EQUAL, LEFT_OUT) and case.equal:
        wrong += [] if case.equal(world, folder) else ["silent: what was written differs"]
    if not wrong and case.expected in (LINE, USAGE) and _listing(folder) != before:
        changed = sorted(before.items() ^ _listing(folder).items())
        wrong.append(f"lost or left over after a refusal: {changed[:4]}")
    shutil.rmtree(folder)
    return wrong


def _wrong(case: Case, answer: Answer) -> list[str]:
    if answer.trouble:
        return [f"no answer but: {answer.trouble[-700:]}"]
    if case.expected == USAGE:
        return [] if answer.status == 2 else [f"status {answer.status}, not 2: {answer.line}"]
    if case.expected == LINE:
        if answer.status == 0:
            return ["silent: accepted"]
        if answer.status not in case.statuses:
            return [f"status {answer.status}, not one of {case.statuses}: {answer.line}"]
        said = answer.line.startswith("neco ") and "Traceback" not in answer.told
        return [] if said else [f"not one line: {answer.told[-400:]}"]
    if answer.status != 0:
        return [f"refused: {answer.line}"]
    if case.expected == LEFT_OUT and "left out" not in answer.told:
        return [f"not counted: {answer.told[-300:]}"]
    return []


def _listing(folder: Path) -> dict[str, str]:
    """Return what lies below a folder: sizes of files, targets of links."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            found[name] = f"{path.stat().st_size} bytes, {path.stat().st_mtime_ns}"
        else:
            found[name] = "folder"
    return found


ALL = (*CUT, *FOREIGN, *CHANGED, *PLACES)
WITHOUT_DIGEST = (*CUT, *FOREIGN, *PLACES)
"""For formats that carry no digest: a flipped bit in a photograph is another photograph."""


def spoiled(
    kind: str,
    hows: tuple[str, ...],
    make: Callable[[World, Path], tuple[Path, list[object]]],
    expected: str = LINE,
    **more: Any,
) -> Iterator[Case]:
    """Yield a case for every damage of a file; `make` returns the file and the command."""
    for how in hows:

        def prepare(world: World, folder: Path, how: str = how) -> list[object]:
            path, command = make(world, folder)
            spoil(path, how)
            return command

        yield Case(kind, how, prepare, expected, **more)


def mine(world: World, folder: Path) -> Path:
    """Return a copy of the user's folder."""
    return copied(world.folder, folder / "mine")
