"""Stopping a training between two steps, at Ctrl-C or at the signal that a scheduler sends before a
limit."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType, TracebackType

import torch
from lightning_fabric import Fabric

from neco.errors import StoppedError, UserError
from neco.locks import held

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
"""Workers ignore them: a terminal or a scheduler sends them to every process of a job, and a worker
that died of one would end the step before the checkpoint is written."""


class StopRequest:
    """While entered, the STOP_SIGNALS only set `asked`; a second SIGINT interrupts.

    A signal that was ignored before stays ignored, as `nohup` wants it.
    """

    def __init__(self) -> None:
        self.asked: signal.Signals | None = None
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> "StopRequest":
        for number in STOP_SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
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
        """Return a signal that some process was sent, the same in all. Every process has to call
        it."""
        if fabric.world_size == 1:
            return self.asked
        asked = torch.tensor(int(self.asked or 0), device=fabric.device)
        highest = int(fabric.all_reduce(asked, reduce_op="max"))
        return signal.Signals(highest) if highest else None

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked is signal.SIGINT and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = signal.Signals(number)


def stopped(message: str, number: signal.Signals) -> StoppedError:
    """Return the error to end a stopped training with; the command's status names the signal."""
    return StoppedError(message, int(number))


def agree(fabric: Fabric, error: Exception | None) -> None:
    """Raise the first process's error in every process. Every process has to call it.

    It is for what one process alone does, such as writing, whose failure the others would otherwise
    wait for without end.
    """
    if fabric.world_size == 1:
        if error is not None:
            raise error
        return
    told = fabric.broadcast(None if error is None else str(error))
    if error is not None:
        raise error
    if told is not None:
        raise UserError(told)


@contextmanager
def held_together(fabric: Fabric, folder: Path, command: str) -> Iterator[None]:
    """Hold `folder` (neco.locks) in the first process; where it is held, all raise UserError."""
    with ExitStack() as stack:
        error = None
        if fabric.is_global_zero:
            try:
                stack.enter_context(held(folder, command))
            except (UserError, OSError) as trouble:
                error = trouble
        agree(fabric, error)
        yield
