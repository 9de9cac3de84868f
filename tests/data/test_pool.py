import os
import signal

import pytest

from neco.data import pool
from neco.data.pool import run_all
from neco.errors import UserError


def double(number):
    return 2 * number


def refuse(number):
    if number == 70:
        raise UserError("70.png: impossible")
    return number


def be_killed(number):
    if number == 20:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.fixture
def parallel(monkeypatch):
    monkeypatch.setattr(pool, "FEW", 0)
    monkeypatch.setattr(pool, "CHUNK", 8)


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_jobs(parallel, workers):
    assert run_all(double, iter(range(150)), 150, "x", workers) == [2 * n for n in range(150)]


def test_an_error_in_a_worker_is_raised_here(parallel):
    taken = []
    jobs = (taken.append(n) or n for n in range(100_000))
    with pytest.raises(UserError, match=r"70\.png"):
        run_all(refuse, jobs, 100_000, "x", 2)
    assert len(taken) < 10_000  # the rest was not even drawn


def test_a_worker_that_is_killed_is_one_line(parallel):
    with pytest.raises(UserError, match="a worker process was killed, most likely because memory"):
        run_all(be_killed, range(100), 100, "x", 2)
