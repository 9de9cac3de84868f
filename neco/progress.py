"""How far a command is: bars on stderr, and one line for work that has several steps.

While a `ProgressLine` is drawn, the bars of the work inside move that line and draw nothing.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

console = Console(stderr=True, highlight=False)


def counting_bar() -> Progress:
    """Return a progress bar over a number of things."""
    return _bar(MofNCompleteColumn())


def transfer_bar() -> Progress:
    """Return a progress bar over bytes, with speed and time left."""
    return _bar(DownloadColumn(), TransferSpeedColumn())


def _bar(*counts: ProgressColumn) -> Progress:
    if _drawn:
        return _Inside(_drawn[-1])
    named = (TextColumn("{task.description}"), BarColumn())
    return Progress(*named, *counts, TimeRemainingColumn(), console=console)


PERIOD = 600.0
"""Seconds that the time left is estimated from: steps of some work differ in speed."""


class ProgressLine:
    """One line that says which step of some work is under way, how far it is and what is left.

    On a terminal the line is a bar that is drawn anew. Elsewhere, as in a log file, a plain line is
    printed at every tenth of the way. Use it as a context manager; `total` is the work in any unit.
    left: whether to guess the time left from the pace; not for steps of very different pace.
    """

    def __init__(self, total: float, left: bool = True) -> None:
        self.total = total
        self._said = -1
        self._span, self._step = (0.0, total), ""
        self._terminal = console.is_terminal
        columns = [BarColumn(bar_width=30), TextColumn("{task.percentage:>3.0f} %")]
        remaining = [TimeRemainingColumn(elapsed_when_finished=True)] if left else []
        self._bar = Progress(
            *columns,
            *remaining,
            TextColumn("{task.description}", markup=False),
            console=console,
            disable=not self._terminal,
            speed_estimate_period=PERIOD,
        )
        self._task = self._bar.add_task("", total=total)
        self._moved: list[tuple[logging.StreamHandler[Any], Any]] = []

    def __enter__(self) -> "ProgressLine":
        """Start to draw."""
        before = sys.stderr
        self._bar.start()
        _drawn.append(self)
        for handler in logging.getLogger().handlers:  # what is logged goes above the line
            if isinstance(handler, logging.StreamHandler) and handler.stream is before:
                self._moved.append((handler, before))
                handler.setStream(sys.stderr)
        return self

    def __exit__(self, *raised: object) -> None:
        """Leave the last line on the screen."""
        _drawn.remove(self)
        for handler, stream in self._moved:
            handler.setStream(stream)
        self._bar.stop()

    def at(self, done: float, step: str) -> None:
        """Say that `done` of the total is done and that `step` is under way."""
        self._bar.update(self._task, completed=done, description=step)
        tenth = int(10 * done / self.total) if self.total else 10
        if not self._terminal and tenth > self._said:
            self._said = tenth
            console.print(f"{10 * tenth} % done: {step}", markup=False)

    @contextmanager
    def step(self, name: str, start: float, end: float) -> Iterator[None]:
        """Make the line go from `start` to `end` while the block runs; bars inside move it."""
        self._span, self._step = (start, end), name
        self.at(start, name)
        yield
        self.at(end, name)

    def inside(self, share: float, told: str = "") -> None:
        """Say which share (0 to 1) of the step is done, and more in words."""
        start, end = self._span
        step = f"{self._step}: {told}" if told else self._step
        self.at(start + (end - start) * min(max(share, 0.0), 1.0), step)


_drawn: list[ProgressLine] = []
"""Lines that are drawn now; the last one is moved by what runs inside."""


def drawn_line() -> ProgressLine | None:
    """Return the line that is drawn now, if there is one."""
    return _drawn[-1] if _drawn else None


class _Inside(Progress):
    """A bar that moves the line around it and draws nothing itself."""

    def __init__(self, line: ProgressLine) -> None:
        super().__init__(console=console, disable=True)
        self._line = line

    def update(self, task_id: TaskID, **changes: Any) -> None:
        super().update(task_id, **changes)
        self._tell(task_id)

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        super().advance(task_id, advance)
        self._tell(task_id)

    def _tell(self, task_id: TaskID) -> None:
        task = self._tasks[task_id]
        if task.total:
            count = f"{task.completed:,.0f} of {task.total:,.0f}" if task.total < 1e7 else ""
            self._line.inside(task.completed / task.total, count)
