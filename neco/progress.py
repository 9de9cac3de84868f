"""How far a command is: bars on stderr, and one line for work that has several steps."""

from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

console = Console(stderr=True, highlight=False)


def counting_bar() -> Progress:
    """Return a progress bar over a number of things."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def transfer_bar() -> Progress:
    """Return a progress bar over bytes, with speed and time left."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
    )


PERIOD = 600.0
"""Seconds that the time left is estimated from: steps of some work differ in speed."""


class ProgressLine:
    """One line that says which step of some work is under way, how far it is and what is left.

    On a terminal the line is a bar that is drawn anew. Elsewhere, as in a log file, a plain line is
    printed at every tenth of the way. Use it as a context manager; `total` is the work in any unit.
    """

    def __init__(self, total: float) -> None:
        self.total = total
        self._said = -1
        self._terminal = console.is_terminal
        self._bar = Progress(
            BarColumn(bar_width=30),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeRemainingColumn(elapsed_when_finished=True),
            TextColumn("{task.description}"),
            console=console,
            disable=not self._terminal,
            speed_estimate_period=PERIOD,
        )
        self._task = self._bar.add_task("", total=total)

    def __enter__(self) -> "ProgressLine":
        """Start to draw."""
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the last line on the screen."""
        self._bar.stop()

    def at(self, done: float, step: str) -> None:
        """Say that `done` of the total is done and that `step` is under way."""
        self._bar.update(self._task, completed=done, description=step)
        tenth = int(10 * done / self.total) if self.total else 10
        if not self._terminal and tenth > self._said:
            self._said = tenth
            console.print(f"{10 * tenth} % done: {step}")
