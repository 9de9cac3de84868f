"""Stopping a training between two steps: a signal comes in, a request comes out.

The signal is Ctrl-C's, or one that a scheduler sends before a limit of time.
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

import torch
from lightning_fabric import Fabric
from torch import nn

from neco.errors import StoppedError, UserError
from neco.locks import held
from neco.processes import EndedError, heard_at_once, leave_after

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
"""Signals that ask a training to stop. Workers ignore them, although a terminal or a scheduler
sends them to every process of a job: a worker that died of one would end the step too early for a
checkpoint."""
GRACE = 1.5
"""Seconds that a step may take to end by itself after a signal, before it is broken off."""
ONE_REQUEST = 1.0
"""Seconds in which a second signal is the same request: `timeout` sends two at once."""


class BrokenStepError(BaseException):
    """The step in progress was broken off: nothing of it has changed the training.

    It is no Exception: the compilers that work in a first step on a GPU wrap every Exception into
    an error of their own.
    """


class StopRequest:
    """While entered, the first of the STOP_SIGNALS only sets `asked`. A later one ends the process.

    A step that is `breakable` and lasts is broken off after GRACE seconds. Where that does not end
    it, the process ends `neco.processes.LEAVE` seconds after the signal, and the last checkpoint
    stays. A signal that was ignored before stays ignored, as `nohup` wants it.

    alone: whether this process trains alone. None of several processes may leave the others
    waiting, so these end their step and agree.
    """

    latest: signal.Signals | None = None
    """The signal that the last training of this process was sent. A training that is asked to stop
    in its last step ends as if it had not been asked. What comes after it looks here."""

    def __init__(self, alone: bool = True) -> None:
        self.asked: signal.Signals | None = None
        self.alone = alone
        self._before: dict[signal.Signals, object] = {}
        self._since = 0.0
        self._in_step = self._breakable = False
        self._steps = 0
        self._leaving: threading.Timer | None = None
        self._hearing = ExitStack()

    def __enter__(self) -> "StopRequest":
        for number in STOP_SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._note)
        if self.alone:
            self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._lapse)
            self._hearing.enter_context(heard_at_once(self._hurry))
        return self

    def __exit__(self, *raised: object) -> None:
        self._hearing.close()
        StopRequest.latest = self.asked
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    @contextmanager
    def breakable(self) -> Iterator[None]:
        """Let BrokenStepError break off the block where it lasts after a signal."""
        if not self.alone:
            yield
            return
        self._in_step = self._breakable = True
        self._steps += 1
        try:
            if self.asked is not None:
                self._hurry(self.asked)
                signal.setitimer(signal.ITIMER_REAL, GRACE, GRACE / 10)
            yield
        finally:
            self._in_step = self._breakable = False
            if self._leaving is not None:
                signal.setitimer(signal.ITIMER_REAL, 0)
                self._leaving.cancel()
                self._leaving = None

    @contextmanager
    def unbroken(self) -> Iterator[None]:
        """Inside `breakable`, do not break off this block, nor what follows it there."""
        self._breakable = False
        yield

    def agreed(self, fabric: Fabric) -> signal.Signals | None:
        """Return a signal that some process was sent, the same one in all processes.

        Every process has to call it.
        """
        if fabric.world_size == 1:
            return self.asked
        asked = torch.tensor(int(self.asked or 0), device=fabric.device)
        highest = int(fabric.all_reduce(asked, reduce_op="max"))
        return signal.Signals(highest) if highest else None

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked is not None:
            if time.monotonic() > self._since + ONE_REQUEST:
                raise EndedError(number)
            return
        self._since = time.monotonic()
        self.asked = signal.Signals(number)
        if self._in_step:
            signal.setitimer(signal.ITIMER_REAL, GRACE, GRACE / 10)

    def _hurry(self, number: int) -> None:
        """End the process where the step in progress lasts. What follows the step may last."""
        if not self._in_step or number not in STOP_SIGNALS or self._leaving is not None:
            return
        told = "left in the middle of a step; the same command continues from the checkpoint"
        step = self._steps
        self._leaving = leave_after(number, told, lambda: self._in_step and self._steps == step)

    def _lapse(self, number: int, frame: FrameType | None) -> None:
        if self._breakable:
            self._breakable = False
            raise BrokenStepError


def hear_in_backward(network: nn.Module) -> None:
    """Let Python hear signals during a backward pass, which is otherwise one call of a library.

    A hook on the output of every block returns to Python on the way. It changes no gradient.
    """

    def pause(module: nn.Module, given: object, output: object) -> None:
        if isinstance(output, torch.Tensor) and output.requires_grad:
            output.register_hook(lambda gradient: None)

    for part in network.modules():
        if isinstance(part, nn.ModuleList | nn.Sequential):
            for block in part:
                block.register_forward_hook(pause)


def stopped(message: str, number: signal.Signals) -> StoppedError:
    """Return the error that ends a stopped training. The command's status names the signal."""
    return StoppedError(message, int(number))


def agree(fabric: Fabric, error: Exception | None) -> None:
    """Raise the first process's error in every process. Every process has to call it.

    It is for what one process does alone, such as writing. Without it, the others would wait
    without end for a process that failed.
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
    """Hold `folder` (neco.locks) in the first process. Where it is held already, all processes
    raise UserError."""
    with ExitStack() as stack:
        error = None
        if fabric.is_global_zero:
            try:
                stack.enter_context(held(folder, command))
            except (UserError, OSError) as trouble:
                error = trouble
        agree(fabric, error)
        yield
