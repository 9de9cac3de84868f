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
from neco.cli import main
from neco.files import whole_file
from neco.processes import END_SIGNALS, process_pool

POOL = """
import os, signal, sys, time
from multiprocessing import get_context
from neco.cli import main
from neco.files import whole_file
from neco.processes import END_SIGNALS, process_pool

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


@pytest.mark.parametrize("number", END_SIGNALS)
def test_a_signal_ends_a_command_and_what_it_was_writing(tmp_path, monkeypatch, capsys, number):
    def writing(chosen):
        with whole_file(tmp_path / "out") as unfinished:
            unfinished.write_text("half")
            os.kill(os.getpid(), number)
            time.sleep(20)

    monkeypatch.setattr("neco.cli.project._config", writing)
    before = signal.signal(number, signal.SIG_DFL)  # `nohup` would have it ignored
    try:
        assert main(["config"]) == 128 + number
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)
    assert f"ended by {number.name}" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_command_inside_of_a_library_ends_too(tmp_path):
    """No signal reaches Python while a library computes; the process is left then."""
    script = tmp_path / "stuck.py"
    script.write_text(
        "import ctypes, sys, neco.processes, neco.cli, neco.cli.project\n"
        "neco.processes.LEAVE = 0.2\n"
        "def stuck(chosen):\n"
        "    print('stuck', flush=True)\n"
        "    while True: ctypes.CDLL(None).usleep(10**6) or ctypes.CDLL(None).sleep(30)\n"
        "neco.cli.project._config = stuck\n"
        "sys.exit(neco.cli.main(['config']))\n"
    )
    here = {**os.environ, "PYTHONPATH": str(Path(neco.__file__).parents[1])}
    with subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=here,
        text=True,
    ) as running:  # fmt: skip
        assert running.stdout.readline() == "stuck\n"
        running.send_signal(signal.SIGTERM)
        _, told = running.communicate(timeout=60)
    assert running.returncode == 128 + signal.SIGTERM
    assert "SIGTERM" in told and "Traceback" not in told
