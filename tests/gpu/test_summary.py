"""Made-up records of a card, through the table, the page and `neco plan`."""

import sys

import pytest

from benchmarks import records
from benchmarks.gpu import summary
from neco.config.training import Train
from neco.documents import END, begin, renewed
from neco.errors import UserError
from neco.plan.arithmetic import shape_of, training_flops
from neco.plan.hours import measured_speed

CARD, OTHER = "Some | GPU", "Another GPU"
STEP = {
    "measured": "step", "backbone": "dinov2-vits14", "compiled": False, "batch_size": 64,
    "precision": "bf16-mixed", "step_ms": 80.0, "images_per_second": 800.0, "host_thread_ms": 4.0,
    "tflops_sustained": 120.0, "data": "noise in memory",
}  # fmt: skip


def of(part: str, device: str | None = CARD, *, rehearsed: bool = False, **row):
    where = {} if device is None else {"device": device}
    return {"part": part, **where, "rehearsed": rehearsed, **row}


ROWS = [
    of("card", measured="copy", gb_per_second=3000.0),
    of("card", status="done"),
    of("step", **STEP),
    of("step", None, status="stopped", reason="its time was up (190 s); results.log says more"),
    of("suite", measured="test", test="a.py::b", outcome="failed", why="<1 and 2>"),
    of("suite", status="failed", reason="1 of 1 tests failed"),
    of("search", rehearsed=True, measured="check", largest_difference=0.5),
    of("search", rehearsed=True, status="done"),
    of("run", None, status="not started", reason="3 s were left"),
    of("photographs", OTHER, measured="photographs", files=3),
]


def test_the_page_has_a_table_for_each_card():
    told = summary.markdown(ROWS)
    first, second = told.split(f"**{OTHER}**")
    assert first.startswith(f"**{CARD}**\n\n| part | what was found |\n| --- | --- |\n")
    assert "| `card` | copies 3000 GB/s |" in first
    assert "| `step` | dinov2-vits14 eager, batch 64, bf16-mixed: 80 ms, 800 images/s" in first
    assert "| `step` | stopped: its time was up (190 s); results.log says more |" in first
    assert "| `suite` | failed: a.py::b: &lt;1 and 2> |" in first
    assert "| `photographs` | not ended |" in second
    assert "search" not in told and "`run`" not in told and "done" not in told


def test_rehearsals_fill_no_page():
    with pytest.raises(ValueError, match="rehearsals do not count"):
        summary.markdown([row for row in ROWS if row["rehearsed"]])


def test_the_command_writes_between_the_marks(tmp_path, monkeypatch, capsys):
    path, page = tmp_path / "results.jsonl", tmp_path / "page.md"
    for row in ROWS:
        records.append(path, row)
    page.write_text(f"# Page\n\n{begin(summary.COMMAND)}\n\nNothing yet.\n\n{END}\n\nMore.\n")
    monkeypatch.setattr(sys, "argv", ["summary", str(path), "--into", str(page)])
    for _ in range(2):  # the second time changes nothing
        summary.main()
        text = page.read_text()
        assert text.startswith("# Page\n\n<!--") and text.endswith("-->\n\nMore.\n")
        assert "Nothing yet" not in text and text.count("copies 3000 GB/s") == 1
    page.write_text("# No marks\n")
    with pytest.raises(SystemExit):
        summary.main()
    assert "page.md: lacks the lines" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["summary", str(path)])
    summary.main()
    assert "card: done" in capsys.readouterr().out


def test_the_page_of_this_project_has_the_marks():
    from benchmarks.gpu.bundle import ROOT

    page = ROOT / "docs" / "gpu.md"
    assert "new table" in renewed(page.read_text(), page, summary.COMMAND, "new table")


def test_the_plan_takes_the_speed_of_a_card_from_lines_of_every_kind(tmp_path):
    path = tmp_path / "results.jsonl"
    end = {"measured": "end to end", "data": "JPEGs", "backbone": "dinov2-vits14"}
    for row in (
        of("photographs", OTHER, **end, images_per_second=9000.0),
        *ROWS,
        of("photographs", **end, images_per_second=600.0, gflop_per_image=None),
        of("photographs", **end, images_per_second="nan"),
        of("photographs", **end, images_per_second=0.0),
    ):
        records.append(path, row)
    with path.open("a") as file:
        file.write('{"part": "run", "cut')
    shape = shape_of("dinov2-vits14")
    expected = 600.0 * training_flops(shape, Train())
    assert measured_speed(path).of(shape) == pytest.approx(expected)
    assert "600 images/s" in measured_speed(path).source
    path.write_text('{"images_per_second": "nan", "backbone": "dinov2-vits14"}\n[1]\n')
    with pytest.raises(UserError, match="gpu-proofs"):
        measured_speed(path)
