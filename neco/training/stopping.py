"""Stop between two steps when asked to: Ctrl-C, or the signal a scheduler sends before a limit."""

import signal
from types import FrameType, TracebackType

import torch
from lightning_fabric import Fabric

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class StopRequest:
    """While entered, SIGINT, SIGTERM and SIGUSR1 only set `asked`; a second SIGINT interrupts."""

    def __init__(self) -> None:
        self.asked: signal.Signals | None = None
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> "StopRequest":
        for number in STOP_SIGNALS:
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

    def agreed(self, fabric: Fabric) -> signal.Signals | None:
        """Return a signal that any process was sent, the same in all; every process has to ask."""
        if fabric.world_size == 1:
            return self.asked
        asked = torch.tensor(int(self.asked or 0), device=fabric.device)
        highest = int(fabric.all_reduce(asked, reduce_op="max"))
        return signal.Signals(highest) if highest else None

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked is signal.SIGINT and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = signal.Signals(number)


def ignore_stop_signals(worker: int) -> None:
    """Leave stopping to the main process; for DataLoader workers.

    A terminal sends Ctrl-C, and a scheduler its signal, to every process of the job: a worker that
    died of it would end the step before the checkpoint is written.
    """
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
