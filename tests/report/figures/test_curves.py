import math
from pathlib import Path

from neco.report.figures.curves import read_curve, write_curves


def test_a_curve_keeps_what_is_readable(tmp_path: Path) -> None:
    path = tmp_path / "run.seed1" / "metrics.csv"
    path.parent.mkdir()
    path.write_text("step,loss,rank\n0,3.5,\n10,3.25,broken\n")
    curve = read_curve("run", path)
    assert curve is not None
    assert (curve.run, curve.name) == ("run", "run.seed1")
    assert curve.columns["loss"] == [3.5, 3.25]
    assert all(math.isnan(value) for value in curve.columns["rank"])


def test_what_is_no_curve_is_none(tmp_path: Path) -> None:
    assert read_curve("run", tmp_path / "metrics.csv") is None
    (tmp_path / "metrics.csv").write_text("step,loss\n")
    assert read_curve("run", tmp_path / "metrics.csv") is None
    (tmp_path / "metrics.csv").write_text("a,b\n1,2\n")
    assert read_curve("run", tmp_path / "metrics.csv") is None


def test_curves_without_some_columns_are_drawn(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("step,loss\n0,3\n1,2\n")
    curve = read_curve("run", tmp_path / "metrics.csv")
    assert curve is not None
    paths = write_curves([curve], tmp_path)
    assert [path.name for path in paths] == ["curves.png", "curves.pdf"]
    assert all(path.stat().st_size > 1000 for path in paths)
