"""What a part is given: where it runs, how large, how long it may take, which files there are."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch


def digits(value: float, count: int = 4) -> float:
    """Return the value to so many significant digits."""
    return float(f"{value:.{count}g}")


@dataclass
class Bench:
    """The circumstances of one part."""

    device: torch.device
    rehearse: bool
    """On a CPU and at toy size: the figures mean nothing, the code is the same."""
    scratch: Path
    """A folder for what a part writes"""
    bundle: Path | None = None
    """The folder that bundle.py wrote: photographs and weights"""
    results: Path | None = None
    """The file of records, whose earlier lines a part may read"""
    seconds: float = 3600.0
    """What the part may take"""
    began: float = field(default_factory=time.monotonic)

    def left(self) -> float:
        """Return the seconds that are left."""
        return self.seconds - (time.monotonic() - self.began)

    def size(self, real: Any, toy: Any) -> Any:
        """Return the size for the card, or the one for a rehearsal."""
        return toy if self.rehearse else real

    def wait(self) -> None:
        """Wait for everything queued on the device."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def mark(self) -> Callable[[], None]:
        """Return a function that waits for what is queued on the device now."""
        if self.device.type != "cuda":
            return lambda: None
        event = torch.cuda.Event()
        event.record()
        return event.synchronize

    def time(self, call: Callable[[], Any], repeats: int = 5) -> float:
        """Return the median seconds of a call, the device's work included, after one for warmth."""
        call()
        self.wait()
        spent = []
        for _ in range(self.size(repeats, 1)):
            began = time.perf_counter()
            call()
            self.wait()
            spent.append(time.perf_counter() - began)
        return statistics.median(spent)

    def peak_mb(self) -> float | None:
        """Return the most memory of the card that tensors held since the last call."""
        if self.device.type != "cuda":
            return None
        peak = torch.cuda.max_memory_allocated(self.device) / 2**20
        torch.cuda.reset_peak_memory_stats(self.device)
        return round(peak, 1)
