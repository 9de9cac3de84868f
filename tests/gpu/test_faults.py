"""Parts that go wrong in every way that a card knows: what was found stays, and the rest runs."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import records
from benchmarks.gpu import __main__ as runner
from benchmarks.gpu import suite, summary
from benchmarks.gpu.bench import Bench
from benchmarks.gpu.part import run_part
from benchmarks.gpu.parts import PARTS

CARD = "Some GPU"
FOUND = 'note(measured="copy", gb_per_second=3000.0)\n'
SOURCES = {
    "card": FOUND + 'note(status="done")',
    "sort": FOUND + "os.kill(os.getpid(), signal.SIGSEGV)",
    "step": FOUND
    + "import tempfile\ntempfile.mkdtemp(prefix='left-by-step-')\n"
    + "import faulthandler\nfaulthandler.register(WHERE)\ntime.sleep(300)",
    "photographs": "",
    "search": FOUND + "raise SystemExit('a driver said no')",
    "suite": 'note(status="missing", reason="not installed: scipy")',
    "run": 'open(path, "a").write(\'{"part": "run", "cut\')\nos._exit(0)',
}
PREAMBLE = """
import os, signal, sys, time
from pathlib import Path
from benchmarks import records
WHERE = signal.SIGUSR1
path, name = Path(sys.argv[1]), sys.argv[2]
def note(**row):
    records.append(path, {"part": name, "device": "Some GPU", "rehearsed": False} | row)
"""


@pytest.fixture
def faulty(monkeypatch, tmp_path):
    """Return what runs the command with parts that go wrong; it returns the status and the rows."""
    path = tmp_path / "a folder" / "results.jsonl"

    def command_of(part, chosen, seconds):
        return [sys.executable, "-c", PREAMBLE + SOURCES[part.name], str(chosen.json), part.name]

    monkeypatch.setattr(runner, "command_of", command_of)
    monkeypatch.setattr(runner, "GRACE", 2.0)
    monkeypatch.setattr(runner.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(runner, "card_of", lambda _: CARD)
    brief = [type(part)(part.name, part.about, 4.0, (), 0.1) for part in PARTS]
    monkeypatch.setattr(runner, "PARTS", brief)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}

    def run(*arguments: str):
        monkeypatch.setattr(sys, "argv", ["benchmarks.gpu", "--json", str(path), *arguments])
        status = runner.main()
        return status, records.read(path)

    yield run
    for number, how in before.items():
        signal.signal(number, how)


def test_every_fault_costs_its_own_part_only(faulty, capsys, tmp_path):
    status, rows = faulty()
    assert [path.name for path in tmp_path.iterdir()] == ["a folder"]  # a killed part's is gone
    ends = {row["part"]: row for row in rows if "status" in row}
    assert status == 1 and list(ends) == [part.name for part in PARTS]
    assert {name: row["status"] for name, row in ends.items()} == {
        "card": "done", "suite": "missing",
        **dict.fromkeys(("sort", "step", "photographs", "search", "run"), "stopped"),
    }  # fmt: skip
    assert "ended by SIGSEGV" in ends["sort"]["reason"]
    assert "its time was up" in ends["step"]["reason"]
    log = Path(sys.argv[2]).with_suffix(".log").read_text()
    assert "most recent call first" in log and "a driver said no" in log
    assert "exit code 0" in ends["photographs"]["reason"]
    assert "exit code 1" in ends["search"]["reason"]
    assert [row["part"] for row in rows if "measured" in row] == ["card", "sort", "step", "search"]
    told = capsys.readouterr().out
    assert all(f"\n{name}: " in f"\n{told}" for name in ends) and "copies 3000 GB/s" in told


def test_what_was_tried_comes_last_and_what_is_done_is_left_out(faulty, capsys):
    faulty("--parts", "card", "sort")
    _, rows = faulty()
    parts = [row["part"] for row in rows if "status" in row]
    assert parts == ["card", "sort", "step", "photographs", "search", "suite", "run", "sort"]
    assert "card: done before" in capsys.readouterr().err


def test_another_card_measures_anew(faulty, monkeypatch):
    faulty("--parts", "card")
    monkeypatch.setattr(runner, "card_of", lambda _: "Another GPU")
    chosen = Namespace(parts=None, json=Path(sys.argv[2]), rehearse=False)
    assert [part.name for part in runner.in_order(chosen, "Another GPU")][-1] == "card"
    assert "card" not in [part.name for part in runner.in_order(chosen, CARD)]


def test_time_that_is_up_is_said_of_every_part_and_hides_nothing(faulty):
    faulty("--parts", "sort")
    status, rows = faulty("--minutes", "0")
    assert [row["status"] for row in rows[-7:]] == ["not started"] * 7
    assert status == 1 and "copies 3000" in summary.table(rows)


def test_a_card_that_does_not_answer_is_said_in_one_line(monkeypatch, capsys, tmp_path):
    with pytest.raises(runner.NoCardError, match="CUDA_VISIBLE_DEVICES is ''"):
        runner.card_of(os.environ | {"CUDA_VISIBLE_DEVICES": ""})
    monkeypatch.setattr(runner, "ASK", "import time; time.sleep(60)")
    monkeypatch.setattr(runner, "ANSWER", 0.5)
    arguments = ["benchmarks.gpu", "--json", str(tmp_path / "results.jsonl")]
    monkeypatch.setattr(sys, "argv", arguments)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    assert runner.main() == 1 and "found no card in 0 s" in capsys.readouterr().err
    for number, how in before.items():
        signal.signal(number, how)


def test_the_command_itself_does_not_wait_for_torch():
    source = "import sys, benchmarks.gpu.__main__; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", source], cwd=runner.ROOT).returncode == 0


def test_a_bundle_that_is_not_there_is_said(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "argv", ["benchmarks.gpu", "--bundle", str(tmp_path / "no where")])
    with pytest.raises(SystemExit):
        runner.arguments()
    assert "no such folder" in capsys.readouterr().err


def test_a_part_ends_with_who_started_it(tmp_path):
    source = (
        "import os, sys, time\n"
        "from benchmarks.gpu.part import die_with_parent\n"
        "die_with_parent()\n"
        "open(sys.argv[1], 'w').write(str(os.getpid()))\n"
        "time.sleep(60)"
    )
    starter = (
        "import subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, '-c', {source!r}, sys.argv[1]], start_new_session=True)"
        "\ntime.sleep(60)"
    )
    told = tmp_path / "number"
    parent = subprocess.Popen([sys.executable, "-c", starter, str(told)])
    try:
        _until(lambda: told.exists() and told.read_text())
    finally:
        parent.kill()
        parent.wait()
    state = Path("/proc", told.read_text(), "stat")
    _until(lambda: not state.exists() or state.read_text().split()[2] == "Z")


def _until(true) -> None:
    for _ in range(600):
        if true():
            return
        time.sleep(0.05)
    pytest.fail("it did not come to pass")


def test_numbers_of_every_kind_are_lines_of_json(tmp_path):
    path = tmp_path / "results.jsonl"
    row = {
        "part": "card", "a": np.float32(1.5), "b": np.int64(2), "c": torch.tensor(3.0),
        "d": math.nan, "e": np.float64(math.inf), "f": np.array([1, 2]), "g": Path("x"),
        "h": (True, None), 7: np.bool_(1),
    }  # fmt: skip
    records.append(path, row)
    assert json.loads(path.read_text(), parse_constant=pytest.fail) == {
        "part": "card", "a": 1.5, "b": 2, "c": 3.0, "d": "nan", "e": "inf", "f": [1, 2], "g": "x",
        "h": [True, None], "7": True,
    }  # fmt: skip


def test_a_cut_line_takes_no_other_along(tmp_path):
    path = tmp_path / "results.jsonl"
    path.write_text('{"part": "sort", "cut')
    records.append(path, {"part": "step"})
    assert records.read(path) == [{"part": "step"}]


def test_a_strange_record_does_not_cost_the_table():
    rows = [
        {"part": "card", "measured": "copy", "gb_per_second": "nan"},
        {"part": "card", "measured": "matrix product"},
        {"part": "card", "status": "done"},
    ]
    told = summary.table(rows)
    assert 'copy: {"gb_per_second": "nan"}' in told and "matrix product: {}" in told


SUITE = """
import pytest
def test_gpu_good():
    pass
def test_gpu_bad():
    assert 1 == 2
@pytest.mark.skip(reason="no need")
def test_gpu_skipped():
    pass
"""


@pytest.fixture
def tests_of(monkeypatch, tmp_path):
    """Return what runs the part `suite` on some test files; it returns the rows."""

    def run(seconds: float = 100.0, **sources: str) -> list[dict]:
        for name, source in sources.items():
            (tmp_path / f"{name}.py").write_text(source)
        files = tuple(str(tmp_path / f"{name}.py") for name in sources)
        monkeypatch.setattr(suite, "FILES", files)
        monkeypatch.setattr(suite, "CHOSEN", "gpu")
        bench = Bench(torch.device("cpu"), False, tmp_path, seconds=seconds)
        monkeypatch.setenv("PYTHONPATH", str(runner.ROOT))
        return list(run_part(PARTS[[part.name for part in PARTS].index("suite")], bench))

    return run


def test_a_test_that_fails_or_lacks_a_package_is_told_and_hides_no_other(tests_of):
    rows = tests_of(test_one=SUITE, test_two="import a_package_of_no_one\n")
    assert {row["test"]: row["outcome"] for row in rows[:-1]} == {
        "test_two.py": "error",
        "test_one.py::test_gpu_good": "passed",
        "test_one.py::test_gpu_bad": "failed",
        "test_one.py::test_gpu_skipped": "skipped",
    }
    why = {row["test"]: row.get("why") for row in rows[:-1]}
    assert "a_package_of_no_one" in why["test_two.py"]
    assert why["test_one.py::test_gpu_bad"] == "assert 1 == 2"
    assert rows[-1]["status"] == "failed" and "2 of 4 tests failed" in rows[-1]["reason"]


def test_tests_that_ended_before_time_was_up_are_kept(tests_of, monkeypatch):
    def cut(command, *, env, timeout, **_):
        row = {"part": "suite", "measured": "test", "test": "a::b", "outcome": "passed"}
        records.append(Path(env[suite.NOTES]), row)
        raise subprocess.TimeoutExpired(command, timeout, b"a::b")

    monkeypatch.setattr(subprocess, "run", cut)
    rows = tests_of(9.0)
    assert [row.get("outcome") for row in rows[:-1]] == ["passed"]
    assert rows[-1]["status"] == "failed" and "time was up" in rows[-1]["reason"]


def test_tests_that_are_all_skipped_prove_nothing(tests_of):
    skipped = "import pytest\n@pytest.mark.skip\ndef test_gpu(): pass\n"
    rows = tests_of(test_none=skipped)
    assert rows[-1]["status"] == "failed" and "every test was skipped" in rows[-1]["reason"]
