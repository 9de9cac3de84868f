"""Work on many items, spread over processes: jobs come in, their results come out in order."""

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import TypeVar

from neco.errors import UserError
from neco.processes import process_pool
from neco.progress import counting_bar

Job = TypeVar("Job")
Result = TypeVar("Result")

CHUNK = 32
"""How many jobs are handed to a process at once."""
FEW = 8 * CHUNK
"""Up to this many jobs are done in this process, because starting others would cost more."""


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_all(
    work: Callable[[Job], Result],
    jobs: Iterable[Job],
    total: int,
    title: str,
    workers: int | None = None,
) -> list[Result]:
    """Return `[work(job) for job in jobs]`, computed by several processes.

    jobs: may be a generator, since only a few chunks are alive at a time. total: how many there
    are. title: of the progress bar. workers: how many processes; None is one on each core. Up to
    FEW jobs run in this process. An error in any job stops the others and is raised here. Raises
    UserError where a process is killed from outside.
    """
    workers = workers or available_cores()
    with counting_bar() as bar:
        task = bar.add_task(title, total=total)
        if workers == 1 or total <= FEW:
            results = []
            for job in jobs:
                results.append(work(job))
                bar.advance(task)
            return results
        parts: dict[int, list[Result]] = {}
        try:
            for number, part in _parallel(work, jobs, workers):
                parts[number] = part
                bar.advance(task, len(part))
        except BrokenProcessPool:
            raise UserError(
                "a worker process was killed, most likely because memory ran out; call again with "
                "fewer processes (`--processes 1`) or more memory"
            ) from None
        return [result for number in sorted(parts) for result in parts[number]]


def _parallel(
    work: Callable[[Job], Result], jobs: Iterable[Job], workers: int
) -> Iterator[tuple[int, list[Result]]]:
    # forkserver: a fork of a process with threads (progress bar, torch) can deadlock.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([getattr(work, "func", work).__module__])
    running: dict[Future[list[Result]], int] = {}
    chunks = enumerate(_chunks(jobs))
    with process_pool(workers, context) as pool:
        for number, chunk in islice(chunks, 3 * workers):
            running[pool.submit(_work_through, work, chunk)] = number
        while running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield running.pop(future), future.result()
                for following, chunk in islice(chunks, 1):
                    running[pool.submit(_work_through, work, chunk)] = following


def _chunks(jobs: Iterable[Job]) -> Iterator[list[Job]]:
    iterator = iter(jobs)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk


def _work_through(work: Callable[[Job], Result], chunk: list[Job]) -> list[Result]:
    return [work(job) for job in chunk]
