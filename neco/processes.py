"""Pools of processes that end with the process that started them, however that ends."""

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import connection, parent_process
from multiprocessing.context import BaseContext


@contextmanager
def process_pool(
    processes: int | None = None, context: BaseContext | None = None
) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool; after an error or Ctrl-C its processes end at once, their work unfinished.

    Workers leave Ctrl-C to this process. When it is killed they notice and end.
    """
    pool = ProcessPoolExecutor(processes, context, initializer=end_with_parent)
    try:
        yield pool
    except BaseException:
        workers = list((pool._processes or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in workers:
            worker.terminate()
        raise
    pool.shutdown()


def end_with_parent() -> None:
    """Make this worker leave Ctrl-C to its parent and end when the parent has ended.

    A worker that waits for work would not notice: it holds both ends of its own queue.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_watch, args=(parent.sentinel,), daemon=True).start()


def _watch(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)
