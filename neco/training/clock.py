"""What the time of a training was spent on: the loop's signals come in, its pace comes out.

The pace is that since the last row of metrics. Seconds are those over all starts.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import torch


def mark(device: torch.device) -> Callable[[], None]:
    """Return a function that waits until a GPU has done all that is queued on it now."""
    if device.type != "cuda":
        return lambda: None
    event = torch.cuda.Event()
    event.record()
    return event.synchronize


class Pace(NamedTuple):
    """How fast the steps since the last row were."""

    images_per_second: float
    data_wait: float
    """Share of the time in which the steps waited for images."""
    seconds: float
    """Seconds of training until now, over all starts."""


class Clock:
    """A clock that runs from when it is made. before: how many seconds the earlier starts took."""

    def __init__(self, before: float = 0.0) -> None:
        self._started = time.perf_counter() - before
        self._begin()

    def _begin(self) -> None:
        self._since = self._left_step = time.perf_counter()
        self.waited, self._images = 0.0, 0

    def fetched(self) -> None:
        """Note that the next batch has come."""
        self.waited += time.perf_counter() - self._left_step

    def stepped(self, images: int) -> None:
        """Note that a step on `images` images is done."""
        self._images += images
        self._left_step = time.perf_counter()

    def saved(self) -> None:
        """Note that a checkpoint is written, which was no waiting for images."""
        self._left_step = time.perf_counter()

    def seconds(self) -> float:
        """Return the seconds of training until now, over all starts."""
        return time.perf_counter() - self._started

    def pace(self, waited: float) -> Pace:
        """Return how fast the steps since the last call were, and begin anew.

        waited: how many seconds of them were spent waiting for images.
        """
        passed = time.perf_counter() - self._since
        pace = Pace(self._images / passed, waited / passed, self.seconds())
        self._begin()
        return pace
