"""The pace of a training on this machine, from real steps."""

import csv
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from neco.backbones.backbone import Backbone
from neco.config.training import Train
from neco.data.dataset import Dataset
from neco.errors import StoppedError
from neco.training import train
from neco.training.stopping import STOP_SIGNALS


@dataclass(frozen=True)
class Pace:
    """How long a training takes."""

    step: float
    """Seconds of a step, the mean of those after the first."""
    around: float
    """Seconds before the first step is done and after the last one."""
    steps: int
    """How many steps the mean is over."""

    def seconds(self, steps: int) -> float:
        """Return about how long a training of so many steps takes."""
        return self.around + steps * self.step


@contextmanager
def _signals() -> Iterator[Callable[[], list[int]]]:
    """Yield what returns the signals to stop that were sent during the block.

    A training that is asked to stop in its last step ends as if it had not been asked, which is
    right for a training, but not for one that is followed by another.
    """
    receiver, sender = socket.socketpair()
    receiver.setblocking(False)
    sender.setblocking(False)
    before = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)

    def sent() -> list[int]:
        try:
            return [number for number in receiver.recv(1024) if number in STOP_SIGNALS]
        except BlockingIOError:
            return []

    try:
        yield sent
    finally:
        signal.set_wakeup_fd(before)
        receiver.close()
        sender.close()


def measure_pace(
    backbone: Backbone, dataset: Dataset, settings: Train, steps: int, scratch: Path
) -> Pace:
    """Return the pace of a training of a few steps, which is thrown away.

    It is the same training as the real one (neco.training), in the folder `scratch`, which is
    removed. backbone is changed by it.
    """
    shutil.rmtree(scratch, ignore_errors=True)
    short = settings.model_copy(update={"steps": steps, "log_every": 1})
    began = time.perf_counter()
    with _signals() as sent:
        try:
            train(backbone, dataset, short, scratch, "trial")
            whole = time.perf_counter() - began
            rows = list(csv.DictReader((scratch / "metrics.csv").read_text().splitlines()))
        except StoppedError:
            pass  # its words are about a checkpoint that nobody needs
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        for number in sent():
            raise StoppedError("interrupted at `measure`; the same command continues", number)
    first, last = float(rows[0]["seconds"]), float(rows[-1]["seconds"])
    step = max((last - first) / (steps - 1), 1e-6)
    return Pace(step, max(whole - steps * step, 0.0), steps - 1)
