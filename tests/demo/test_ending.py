"""The table at the end: the run's own scores, and those that the checkout carries."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from neco.demo.ending import print_ending, read_published
from neco.publish.remote import content, read_object

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = Path("published/demo")


@pytest.fixture
def results(tmp_path) -> Path:
    """Return the published demo, laid out as the results of a run."""
    for path, name in content(ROOT).items():
        if path.is_relative_to(PUBLISHED / "metrics") or path == PUBLISHED / "project.yaml":
            copy = tmp_path / path.relative_to(PUBLISHED)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(read_object(ROOT, name))
    return tmp_path


def ending(results: Path, repository: Path = ROOT) -> list[str]:
    console = Console(width=100, record=True, file=io.StringIO())
    print_ending(results, repository, console)
    return [line.strip() for line in console.export_text().splitlines()]


def number(results: Path, protocol: str, model: str) -> float:
    path = results / "metrics" / protocol / "pascal-voc" / f"{model}.json"
    found = json.loads(path.read_text())
    return found["summary"][found["headline"]]["mIoU"]


def test_a_run_stands_above_the_three_published_ones(results):
    lines = ending(results)
    rows = [line for line in lines if "training seed" in line]
    assert sum(line.startswith("this run") for line in rows) == 3
    published = [line for line in rows if line.startswith("published")]
    assert len(published) == 3
    for seed, row in enumerate(published):
        for protocol in ("in-context", "overcluster"):
            after = number(results, protocol, f"neco.seed{seed}")
            gain = after - number(results, protocol, "demo-vit")
            assert f"{after:.1f}" in row and f"({gain:+.1f})" in row


def test_floors_are_left_to_the_report(results):
    assert not any("random" in line or "colours" in line for line in ending(results))


def test_it_names_the_report_and_is_short(results):
    lines = ending(results)
    assert lines[-1] == f"The report: {results / 'report' / 'report.html'}"
    assert len(lines) < 18


def test_a_protocol_that_was_not_run_is_said(results):
    for path in (results / "metrics" / "overcluster").rglob("neco.seed1.json"):
        path.unlink()
    rows = [line for line in ending(results) if line.startswith("this run: NeCo, training seed 1")]
    assert "not run" in rows[0]


def test_without_published_files_the_run_stands_alone(results, tmp_path):
    empty = tmp_path / "checkout"
    empty.mkdir()
    assert read_published(empty) is None
    lines = ending(results, empty)
    assert not any(line.startswith("published") for line in lines)
    assert any("not shown: this checkout carries none" in line for line in lines)


def test_a_damaged_published_file_is_said_and_hides_nothing(results, tmp_path):
    damaged = tmp_path / "checkout"
    published = damaged / "published" / "demo"
    published.mkdir(parents=True)
    for path in (ROOT / "published" / "demo").glob("*.dvc"):
        (published / path.name).write_bytes(path.read_bytes())
    lines = ending(results, damaged)
    assert any("missing" in line for line in lines)
    assert sum(line.startswith("this run") for line in lines) == 4
