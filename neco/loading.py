"""Batches from worker processes, without waiting for ever for one that does not come.

Workers hand batches over in shared memory (/dev/shm). Where that is small, as in a container by
default, they send them through a pipe instead. A worker that cannot hand over a batch ends, so that
the main process learns of it.
"""

import logging
import multiprocessing.queues
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, default_collate
from torch.utils.data._utils import signal_handling, worker

from neco.errors import SHARED, MachineError

log = logging.getLogger(__name__)

Batch = TypeVar("Batch")

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 (nothing is written there by name)
SMALL = 2 << 30
"""Bytes free in shared memory below which batches go through pipes. The paper's training needs
0.7 GB (eight workers, two batches each, 64 images in six views: 43 MB); this is three times that.
Below it a copy of 43 MB per step is all that is lost, so that nobody has to set it."""
LOOK = 1.0
"""Seconds between two looks at signals and at the time while waiting for a batch."""
TELL = 60.0
"""Seconds of waiting after which a line is written."""
PATIENCE = 900.0
"""Seconds of waiting for one batch after which the command gives up. A batch takes seconds. A disk
that is mounted anew or files that come from tape take minutes, and are worth waiting for."""


def loader(
    dataset: Any,
    batch_size: int | None = None,
    *,
    workers: int,
    collate: Callable[[list[Any]], Any] = default_collate,
    ignored: tuple[signal.Signals, ...] = (),
    **how: Any,
) -> "Loader":
    """Return torch's loader; batch_size: None where `how` has a batch_sampler.

    ignored: signals that workers leave to the main process.
    """
    if batch_size is not None:
        how["batch_size"] = batch_size
    through_pipe = workers > 0 and shared_memory_is_small()
    return Loader(
        dataset,
        num_workers=workers,
        timeout=LOOK if workers else 0,
        collate_fn=_Unshared(collate) if through_pipe else collate,
        worker_init_fn=_Beginning(ignored),
        **how,
    )


class Loader(DataLoader[Any]):
    """torch's loader, whose batches are waited for as `batches` does."""

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        return batches(self)


def batches(
    made: Loader,
    asked: Callable[[], object] = lambda: None,
    patience: float = PATIENCE,
) -> Iterator[Any]:
    """Yield the batches of a `loader`; end early where `asked()` is true while waiting for one.

    Raises MachineError, naming cause and remedy, where none comes within `patience` seconds.
    """
    source, whole = DataLoader.__iter__(made), False
    try:
        while True:
            began, told = time.monotonic(), False
            while True:
                try:
                    batch = next(source)
                    break
                except StopIteration:
                    whole = True
                    return
                except RuntimeError as error:
                    codes = [process.exitcode for process in getattr(source, "_workers", [])]
                    if NOT_HANDED_OVER in codes:
                        raise MachineError(SHARED) from None
                    if "DataLoader timed out" not in str(error):
                        raise
                if asked():
                    return
                waited = time.monotonic() - began
                if waited > patience:
                    raise MachineError(
                        f"no batch of images came for {waited:.0f} s; look whether the disk that "
                        f"holds the images answers. Or {SHARED}"
                    )
                if waited > TELL and not told:
                    log.warning("waiting for images since %.0f s", waited)
                    told = True
            yield _tensors(batch)
    finally:
        if not whole:
            _end_workers(source)


def _end_workers(source: Any) -> None:
    """End a loader's workers in the middle of their batches, which nobody wants any more.

    torch would wait until each has noticed it, and they leave SIGTERM to this process.
    """
    workers = getattr(source, "_workers", [])
    if workers and source._worker_pids_set:
        _end_pinning(source)
        signal_handling._remove_worker_pids(id(source))
        source._worker_pids_set = False
        for process in workers:
            process.kill()
        source._shutdown_workers()


def _end_pinning(source: Any) -> None:
    """End the thread that copies batches into pinned memory for a GPU, before its workers end.

    It would wait for ever for the rest of a batch that a worker was handing over. Where a worker
    has died so already, the thread is left waiting, and ends with this process.
    """
    thread = getattr(source, "_pin_memory_thread", None)
    if thread is not None:
        source._pin_memory_thread_done_event.set()
        source._worker_result_queue.put((None, None))
        source._worker_result_queue.cancel_join_thread()  # nor does the end of this process wait
        thread.join(LOOK)
        if thread.is_alive():
            del source._pin_memory_thread


def shared_memory_is_small() -> bool:
    """Return whether workers had better not hand batches over in shared memory."""
    try:
        about = os.statvfs(SHARED_MEMORY)
    except OSError:
        return True
    return about.f_bavail * about.f_frsize < SMALL


NOT_HANDED_OVER = 79
"""Exit status of a worker that could not hand over a batch."""


class _Unshared:
    """Makes batches in a worker whose tensors are arrays: those go through the pipe."""

    def __init__(self, collate: Callable[[list[Any]], Any]) -> None:
        self.collate = collate

    def __call__(self, samples: list[Any]) -> Any:
        if torch.utils.data.get_worker_info() is None:
            return self.collate(samples)
        # torch's own collate asks whether it is in a worker, and would allocate shared memory.
        about, worker._worker_info = worker._worker_info, None
        try:
            return _mapped(self.collate(samples), _Sent)
        finally:
            worker._worker_info = about


class _Sent:
    """A tensor on its way through a pipe."""

    def __init__(self, tensor: Tensor) -> None:
        self.array: np.ndarray = tensor.numpy()

    def pin_memory(self) -> Tensor:
        """Return the tensor in pinned memory; torch asks for it."""
        return torch.from_numpy(self.array).pin_memory()


def _tensors(batch: Any) -> Any:
    return _mapped(batch, lambda sent: torch.from_numpy(sent.array), _Sent)


def _mapped(batch: Any, change: Callable[[Any], Any], kind: type = Tensor) -> Any:
    """Return a nested batch with everything of `kind` changed."""
    if isinstance(batch, kind):
        return change(batch)
    if isinstance(batch, Mapping):
        return type(batch)({key: _mapped(value, change, kind) for key, value in batch.items()})  # type: ignore[call-arg]
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(_mapped(value, change, kind) for value in batch))
    if isinstance(batch, list | tuple):
        return type(batch)(_mapped(value, change, kind) for value in batch)
    return batch


class _Beginning:
    """What a worker does first."""

    def __init__(self, ignored: tuple[signal.Signals, ...]) -> None:
        self.ignored = ignored

    def __call__(self, number: int) -> None:
        for ignored in self.ignored:
            signal.signal(ignored, signal.SIG_IGN)
        # A queue drops what it cannot send, and its reader would wait for it for ever.
        multiprocessing.queues.Queue._on_queue_feeder_error = staticmethod(_give_up)  # type: ignore[attr-defined]


def _give_up(error: Exception, batch: object) -> None:
    """End this worker, which could not hand over a batch; the main process tells the remedy."""
    print(f"a worker could not hand over a batch: {error}", file=sys.stderr, flush=True)
    os._exit(NOT_HANDED_OVER)
