"""Snakemake behind one line: its records in a file, its failures and Ctrl-C in words."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from neco.demo.workflow import run_workflow
from neco.errors import UserError

LISTED = "Job stats:\njob count\n--- -----\ntrain 1\ntotal 1\n\nlocalrule train:\n    jobid: 1\n"
WORKS = f"print({LISTED!r}); print('Finished jobid: 1 (Rule: train)')"
FAILS = (
    f"import sys; print({LISTED!r}); print('Error in rule train:'); "
    "print('    log: results/x/logs/train.log (check log file(s) for error details)'); sys.exit(1)"
)
WAITS = f"""
import pathlib, sys, time
print({LISTED!r}, flush=True)
pathlib.Path("waiting").touch()
try:
    time.sleep(60)
except KeyboardInterrupt:
    pathlib.Path("told").touch()
    sys.exit(1)
"""


@pytest.fixture
def snakemake(tmp_path, monkeypatch):
    """Return a function that puts a program in Snakemake's place; the test runs in its folder."""

    def put(code: str) -> None:
        package = tmp_path / "stand_in" / "snakemake"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text(code)

    path = [str(tmp_path / "stand_in"), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*path, str(Path.cwd())]))
    monkeypatch.chdir(tmp_path)
    return put


def test_what_snakemake_writes_goes_to_a_file(snakemake, capsys):
    snakemake(WORKS)
    records = run_workflow(Path("config/x.yaml"), Path("results/x"), "2")
    assert records == Path("results/x/snakemake.log")
    assert "Finished jobid: 1 (Rule: train)" in records.read_text()
    told = capsys.readouterr()
    assert told.out == "" and "Finished" not in told.err
    assert len(told.err.splitlines()) <= 11 and told.err.splitlines()[-1].startswith("100 %")


def test_a_failure_shows_the_end_of_the_records_and_names_the_log(snakemake, capsys):
    snakemake(FAILS)
    with pytest.raises(UserError, match=r"train \(results/x/logs/train.log\)"):
        run_workflow(Path("config/x.yaml"), Path("results/x"), "2")
    assert "Error in rule train:" in capsys.readouterr().err


def test_a_failure_before_any_job_names_the_records(snakemake):
    snakemake("import sys; sys.exit('no such configuration')")
    with pytest.raises(UserError, match=r"results/x/snakemake\.log"):
        run_workflow(Path("config/x.yaml"), Path("results/x"), "2")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_one_line_and_reaches_snakemake(snakemake, number):
    snakemake(WAITS)
    Path("Snakefile").touch()
    demo = subprocess.Popen(
        [sys.executable, "-m", "neco", "demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    until = time.monotonic() + 60
    while not Path("waiting").exists() and time.monotonic() < until:
        time.sleep(0.05)
    if number == signal.SIGINT:
        os.killpg(demo.pid, number)  # Ctrl-C at a terminal reaches every process of the group
    else:
        demo.send_signal(number)
    out, err = demo.communicate(timeout=60)
    assert demo.returncode == 128 + number
    assert Path("told").exists() and out == ""
    assert err.splitlines()[-1].startswith("neco demo: stopped")
    assert "Traceback" not in err
