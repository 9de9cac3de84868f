"""Every part rehearsed on the CPU, and what runs them: nothing that was found is lost."""

import json
import os
import sys
import time
import zipfile
from pathlib import Path

import pytest
import torch

from benchmarks import records
from benchmarks.gpu import __main__ as runner
from benchmarks.gpu import bundle, summary
from benchmarks.gpu.bench import Bench
from benchmarks.gpu.part import run_part
from benchmarks.gpu.parts import PARTS, Part

MEASURED = {
    "card": {"machine", "copy", "matrix product", "host to device"},
    "sort": {"error", "time", "diffsort"},
    "step": {"step", "waits", "profile", "parts of a step"},
    "photographs": {"photographs", "end to end"},
    "search": {"bank", "index", "search", "check"},
    "suite": {"test"},
    "run": {"in-context", "curve"},
}


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def bench(tmp_path):
    return Bench(torch.device("cpu"), True, tmp_path, results=tmp_path / "results.jsonl")


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_a_part_rehearsed(part, bench):
    rows = []
    for row in run_part(part, bench):
        records.append(bench.results, row)
        rows.append(row)
    assert rows[-1]["status"] == "done", rows[-1]
    assert {row["measured"] for row in rows[:-1]} == MEASURED[part.name]
    assert all(row["part"] == part.name and row["rehearsed"] for row in rows)
    assert records.read(bench.results) == rows  # as JSON has it
    told = summary.table(rows)
    assert told.startswith(f"{part.name}: done") and "the figures mean nothing" in told
    assert not summary.failed(rows)
    by_kind = {row.get("measured"): row for row in rows}
    if part.name == "sort":
        errors = [row for row in rows if row.get("measured") == "error"]
        assert {(row["relaxation"], row["two_way"]) for row in errors} == {
            (relaxation, way)
            for relaxation in ("cauchy", "logistic", "logistic_phi")
            for way in (False, True)
        }
        assert all(row["gradient_error"] < 1e-3 and row["finite"] for row in errors)
    if part.name == "search":
        assert by_kind["check"]["largest_difference"] < 2e-6
    if part.name == "run":
        assert by_kind["curve"]["finite"]


def test_what_is_missing_is_said_in_one_line(bench):
    part = Part("card", "", 1.0, ("torch", "a_package_of_no_one"))
    (ended,) = run_part(part, bench)
    assert ended["status"] == "missing" and "a_package_of_no_one" in ended["reason"]
    assert "torch," not in ended["reason"] and "\n" not in ended["reason"]


def test_a_part_that_raises_keeps_what_it_found(bench, monkeypatch, capsys):
    def measure(_):
        yield {"measured": "copy", "gb_per_second": 1.0}
        raise RuntimeError("out of memory\nand more")

    monkeypatch.setattr("benchmarks.gpu.card.measure", measure)
    found, ended = run_part(PARTS[0], bench)
    assert found["gb_per_second"] == 1.0
    assert (ended["status"], ended["reason"]) == ("failed", "RuntimeError: out of memory")
    assert summary.failed([found, ended]) and "Traceback" in capsys.readouterr().err


def test_a_failed_attempt_costs_itself_alone(bench, monkeypatch, capsys):
    def measure(bench):
        for side in (1, 2, 3):
            with bench.attempt(f"side {side}"):
                yield {"measured": "copy", "side": side}
                if side == 2:
                    raise RuntimeError("no kernel image\nand more")

    monkeypatch.setattr("benchmarks.gpu.card.measure", measure)
    *found, ended = run_part(PARTS[0], bench)
    assert [row["side"] for row in found] == [1, 2, 3]
    assert ended["status"] == "failed"
    assert ended["reason"] == "side 2: RuntimeError: no kernel image"
    assert "Traceback" in capsys.readouterr().err


def test_a_command_ends_when_its_time_is_up(tmp_path):
    child = tmp_path / "child"
    source = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'])\n"
        f"open({str(child)!r}, 'w').write(str(child.pid))\n"
        "time.sleep(300)"
    )
    why = runner.in_time([sys.executable, "-c", source], 5.0, dict(os.environ), tmp_path / "log")
    assert "time was up" in why
    for _ in range(100):  # a killed process takes a moment to go
        state = Path("/proc", child.read_text(), "stat")
        if not state.exists() or state.read_text().split()[2] == "Z":
            break
        time.sleep(0.1)
    else:
        pytest.fail("what the command started is still running")


def test_lines_survive_a_cut(tmp_path):
    path = tmp_path / "deep" / "results.jsonl"
    records.append(path, {"part": "card", "rehearsed": False, "status": "done"})
    with path.open("a") as file:
        file.write('{"part": "sort", "meas')
    assert [row["part"] for row in records.read(path)] == ["card"]
    assert runner.is_done(PARTS[0], path, False) and not runner.is_done(PARTS[0], path, True)
    assert records.read(tmp_path / "none") == []


def test_the_table_is_of_the_last_run_of_a_part():
    first = [{"part": "card", "rehearsed": False, "status": "failed", "reason": "x"}]
    again = [
        {"part": "card", "rehearsed": False, "measured": "copy", "gb_per_second": 3000.0},
        {"part": "card", "rehearsed": False, "status": "done"},
    ]
    assert summary.failed(first) and not summary.failed(first + again)
    assert summary.table(first + again).splitlines()[0].startswith("card: done")
    assert "copies 3000 GB/s" in summary.table(first + again)


def test_wheels_are_laid_out_where_they_are_missing(tmp_path, monkeypatch):
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    here = f"cp{sys.version_info.major}{sys.version_info.minor}"
    for name, module in (
        ("lonely-1.0-py3-none-any", "lonely"),
        (f"other-1.0-{here}-{here}-manylinux_2_17_x86_64", "other"),
        ("foreign-1.0-cp27-cp27m-manylinux_2_17_x86_64", "foreign"),
        ("numpy-1.0-py3-none-any", "numpy"),
    ):
        with zipfile.ZipFile(wheels / f"{name}.whl", "w") as archive:
            archive.writestr(f"{module}/__init__.py", "")
    (folder,) = bundle.lay_out(tmp_path, tmp_path / "laid out")
    assert sorted(path.name for path in Path(folder).iterdir()) == ["lonely", "other"]
    assert bundle.lay_out(None, tmp_path) == []


@pytest.mark.parametrize(("here", "taken"), [("4.9.0", True), ("4.16.0", False), ("4.20", False)])
def test_an_older_package_that_others_need_newer_is_replaced(tmp_path, monkeypatch, here, taken):
    (tmp_path / "wheels").mkdir()
    wheel = tmp_path / "wheels" / "typing_extensions-4.16.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("typing_extensions.py", "")
    monkeypatch.setattr(bundle, "version", lambda _: here)
    (folder,) = bundle.lay_out(tmp_path, tmp_path / "laid out")
    assert Path(folder, "typing_extensions.py").exists() == taken


def test_the_bundle_takes_what_the_parts_import():
    taken = {path.relative_to(bundle.ROOT).as_posix() for path in bundle.members()}
    assert {"benchmarks/gpu/__main__.py", "neco/training/loop.py", "pyproject.toml"} <= taken
    assert not any("__pycache__" in path or path.startswith("docs/") for path in taken)


def test_scenes_are_a_prepared_dataset(tmp_path):
    from neco.data.dataset import read_dataset

    folder = bundle.photographs_in(None, tmp_path, toy=True)
    train = read_dataset(folder, "train")
    assert len(train) == 4 and train.items[0].read_image().size == (80, 64)
    assert train.items[0].read_mask().max() < len(train.classes)
    bundle.shrink_dataset(folder, tmp_path / "small", {"train": 2, "val": 1})
    small = read_dataset(tmp_path / "small", "train")
    assert len(small) == 2 and small.classes == train.classes
    assert json.loads((tmp_path / "small" / "classes.json").read_text())["dataset"] == "scenes"


def test_what_the_other_machine_has_is_left_out(capsys):
    assert bundle.chosen_wheels(False, []) == list(bundle.WHEELS)
    some = bundle.chosen_wheels(True, ["rich", "pytest"])
    assert "scipy" in some and not {"rich", "pytest"} & set(some)
    with pytest.raises(SystemExit, match="no such package"):
        bundle.chosen_wheels(False, ["a_package_of_no_one"])


def test_weights_that_did_not_come_along_are_missing(bench, monkeypatch):
    monkeypatch.setattr("benchmarks.gpu.run.evaluated", lambda *_: {})
    bench.rehearse, bench.bundle = False, bundle.photographs_in(None, bench.scratch, toy=True)
    part = next(part for part in PARTS if part.name == "run")
    (bench.scratch / "weights").mkdir()
    monkeypatch.setattr("benchmarks.gpu.run.photographs_in", lambda *_, **__: bench.bundle)
    (ended,) = run_part(part, bench)
    assert ended["status"] == "missing" and "WEIGHTS=FILE" in ended["reason"]
