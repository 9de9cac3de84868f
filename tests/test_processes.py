"""No process of a pool outlives the one that started it."""

import os
import signal
import subprocess
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import pytest

import neco
from neco.processes import process_pool

POOL = """
import os, signal, sys, time
from multiprocessing import get_context
from neco.processes import process_pool

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored below a background job
    with process_pool(2, get_context(sys.argv[1])) as pool:
        print(*pool.map(abs, [1, 2]), flush=True)
        print(*(process.pid for process in pool._processes.values()), flush=True)
        if sys.argv[2] == "busy":
            for _ in range(4):
                pool.submit(time.sleep, 60)
        time.sleep(60)
"""


def gone(process: int) -> bool:
    try:
        with open(f"/proc/{process}/stat") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("how", ["fork", "forkserver"])
def test_no_worker_outlives_its_parent(tmp_path, how, number):
    script = tmp_path / "pool.py"
    script.write_text(POOL)
    command = [sys.executable, str(script), how, "busy"]
    here = {**os.environ, "PYTHONPATH": str(Path(neco.__file__).parents[1])}
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True, "env": here}
    with subprocess.Popen(command, **quiet) as parent:
        assert parent.stdout.readline().split() == ["1", "2"]
        workers = [int(word) for word in parent.stdout.readline().split()]
        assert workers and not any(map(gone, workers))
        parent.send_signal(number)
        parent.wait(30)
    end = time.monotonic() + 10
    while not all(map(gone, workers)) and time.monotonic() < end:
        time.sleep(0.05)
    assert all(map(gone, workers))


def test_an_error_ends_the_work_and_results_come_in_order():
    with process_pool(2, get_context("fork")) as pool:
        assert list(pool.map(abs, range(-5, 0))) == [5, 4, 3, 2, 1]
    began = time.monotonic()
    with pytest.raises(ValueError), process_pool(1, get_context("fork")) as pool:
        pool.submit(time.sleep, 60)
        raise ValueError
    assert time.monotonic() - began < 30


def test_a_worker_leaves_ctrl_c_to_its_parent():
    with process_pool(1, get_context("fork")) as pool:
        worker = pool.submit(os.getpid).result()
        os.kill(worker, signal.SIGINT)
        assert pool.submit(os.getpid).result() == worker
