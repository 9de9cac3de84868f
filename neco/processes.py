"""Processes end when they are told to: pools with their parent, commands by a signal."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import connection, parent_process
from multiprocessing.context import BaseContext
from types import FrameType

END_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
"""What a scheduler, a container or a closed terminal sends to end a command."""
LEAVE = 4.5
"""Most seconds from a signal to a command's end. Some schedulers kill after 5."""


class EndedError(KeyboardInterrupt):
    """A signal ends this command. What it was writing is removed on the way, as after Ctrl-C."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def number_of(interrupt: KeyboardInterrupt) -> int:
    """Return the signal that an interrupt stands for: Ctrl-C's, unless it says another."""
    return interrupt.number if isinstance(interrupt, EndedError) else int(signal.SIGINT)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Make END_SIGNALS raise EndedError in this block, and end the process where that takes long.

    A signal that was ignored before stays ignored, as `nohup` wants it. Outside of the main thread,
    where Python hears no signals, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    leaving: list[threading.Timer] = []
    ended: list[int] = []
    over: list[bool] = []

    def hurry(number: int) -> None:
        if number in heard and not leaving:
            told = "ended in the middle of its work"
            leaving.append(leave_after(number, told, lambda: not over))

    def end(number: int, frame: FrameType | None) -> None:
        if not ended:  # `timeout` sends two: the second must not end the cleaning up
            ended.append(number)
            raise EndedError(number)

    before = {number: signal.getsignal(number) for number in END_SIGNALS}
    heard = [number for number, how in before.items() if how is not signal.SIG_IGN]
    for number in heard:
        signal.signal(number, end)
    try:
        with heard_at_once(hurry):
            yield
    finally:
        over.append(True)  # the thread that hears signals may be late
        for timer in leaving:
            timer.cancel()
        for number in heard:
            signal.signal(number, before[number])


@contextmanager
def heard_at_once(tell: Callable[[int], None]) -> Iterator[None]:
    """Call `tell` with every signal's number in a thread, also while a library computes.

    Python's own handlers wait until the main thread is back from the library.
    """
    global _wakeup
    read, write = os.pipe()
    os.set_blocking(write, False)

    def listen() -> None:
        while numbers := os.read(read, 64):
            for number in numbers:
                tell(number)
        os.close(read)

    threading.Thread(target=listen, daemon=True).start()
    before, _wakeup = signal.set_wakeup_fd(write, warn_on_full_buffer=False), write
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        _wakeup = before
        os.close(write)


_wakeup = -1


def _deaf_child() -> None:
    """Keep a forked child's signals from its parent's thread."""
    if _wakeup != -1 and threading.current_thread() is threading.main_thread():
        signal.set_wakeup_fd(-1)


os.register_at_fork(after_in_child=_deaf_child)


def leave_after(
    number: int, told: str, still: Callable[[], bool] = lambda: True
) -> threading.Timer:
    """Return a started timer that ends this process after LEAVE seconds.

    The process ends with the status of signal `number` and prints `told`. The timer is for work
    inside of a library that no signal reaches. Cancel it when the work is done. still: returns at
    the end whether the work still lasts.
    """

    def leave() -> None:
        if still():
            print(f"neco: {signal.Signals(number).name}: {told}", file=sys.stderr, flush=True)
            os._exit(128 + number)

    timer = threading.Timer(LEAVE, leave)
    timer.daemon = True
    timer.start()
    return timer


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
