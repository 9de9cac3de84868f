"""Stop between two steps when asked to: Ctrl-C, or the signal a scheduler sends before a limit."""

import signal
from types import FrameType, TracebackType


class StopRequest:
    """While entered, SIGINT, SIGTERM and SIGUSR1 only set `asked`; a second SIGINT interrupts."""

    def __init__(self) -> None:
        self.asked: signal.Signals | None = None
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> "StopRequest":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked is signal.SIGINT and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = signal.Signals(number)


def ignore_interrupt(worker: int) -> None:
    """Leave Ctrl-C to the main process; for DataLoader workers, which get it too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
