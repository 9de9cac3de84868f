import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from neco.report.scores.groups import read_groups
from neco.report.scores.measured import Measured, read_measured
from neco.report.summary.gains import Overview, build_overview, verdicts
from neco.report.summary.render import markdown, print_summary, write_summary
from neco.report.tables.cells import Footer

Write = Callable[..., None]


def measure(project: Path, write: Write, after: list[float]) -> None:
    for name, value in (("patch-colours", 30.0), ("dinov2r-vits14", 40.0)):
        write(project, name, "in-context", "pascal-voc", {"1/1": [value], "1/8": [value - 9]})
        write(project, name, "overcluster", "pascal-voc", {"K=GT": [value / 2], "K=50": [value]})
    for seed, value in enumerate(after):
        name = f"main.seed{seed}"
        write(project, name, "in-context", "pascal-voc", {"1/1": [value], "1/8": [value - 9]})


def measured_of(project: Path) -> Measured:
    return read_measured(project / "metrics", read_groups(project / "models.json"))


def summary_of(project: Path) -> Overview:
    return build_overview(measured_of(project))


def test_headlines_are_the_whole_memory_and_the_most_clusters(project: Path, write: Write) -> None:
    measure(project, write, [42.0, 43.0, 44.0])
    summary = summary_of(project)
    assert [(q.protocol, q.setting) for q in summary.quantities] == [
        ("in-context", "1/1"),
        ("overcluster", "K=50"),
    ]
    assert [group.name for group, _ in summary.rows] == ["patch-colours", "dinov2r-vits14", "main"]


@pytest.mark.parametrize(
    ("after", "wins", "said"),
    [
        ([42.0, 43.0, 44.0], 3, " beats its start in Pascal VOC in-context 1/1: better in 3 of 3"),
        ([42.0, 39.0, 44.0], 2, " beats its start in some seeds only in Pascal VOC"),
        ([38.0, 40.0, 37.0], 0, " does not beat its start in Pascal VOC"),
    ],
)
def test_it_says_plainly_whether_neco_beats_its_start(
    project: Path, write: Write, after: list[float], wins: int, said: str
) -> None:
    measure(project, write, after)
    summary = summary_of(project)
    (gain,) = summary.gains
    assert gain.wins == wins
    assert gain.score.mean == pytest.approx(sum(after) / 3 - 40.0)
    assert any(said in sentence for sentence in verdicts(summary))
    assert f"({wins}/3)" in markdown(summary)


def test_a_start_is_held_against_the_floors(project: Path, write: Write) -> None:
    measure(project, write, [42.0, 43.0, 44.0])
    (fair,) = summary_of(project).fairness
    assert fair.startswith("The start DINOv2R ViT-S/14 is above Patch colours: +10.0")
    write(project, "patch-colours", "in-context", "pascal-voc", {"1/1": [41.0]})
    (unfair,) = summary_of(project).fairness
    assert "is NOT above Patch colours: -1.0 in Pascal VOC in-context 1/1" in unfair


def test_a_cell_that_did_not_run_says_so_on_a_narrow_terminal(project: Path, write: Write) -> None:
    measure(project, write, [42.0, 43.0, 44.0])
    screen = io.StringIO()
    print_summary(summary_of(project), Console(file=screen, width=80))
    assert all(len(line) <= 80 for line in screen.getvalue().splitlines())
    for expected in ("Patch colours", "43.0 ± 1.0", "+3.0 ± 1.0", "(3/3)", "not run"):
        assert expected in screen.getvalue()


def test_without_metrics_it_says_that_nothing_ran(project: Path, tmp_path: Path) -> None:
    assert verdicts(summary_of(project)) == [
        "No run and its starting backbone were both evaluated yet."
    ]
    overview = build_overview(measured_of(project), Footer(project="demo"))
    paths = write_summary(overview, tmp_path / "out")
    assert [path.name for path in paths] == ["summary.md", "summary.csv", "summary.html"]
    assert "no metrics yet" in paths[0].read_text()


def test_names_of_any_kind_are_shown_as_they_are(tmp_path: Path, write: Write) -> None:
    name = "a|b<script>*_`[x](y)$1$"
    entry = {"model": "odd", "kind": "backbone", "method": name, "label": "[red]ViT"}
    (tmp_path / "models.json").write_text(json.dumps([entry]))
    write(tmp_path, "odd", "linear", "pascal-voc", {"": [50.0]})
    summary = summary_of(tmp_path)
    text = markdown(summary)
    row = next(line for line in text.splitlines() if "script" in line)
    assert row.count("|") - row.count("\\|") == 5  # four columns
    assert "<script>" not in text
    assert "\\<script\\>\\*\\_\\`\\[x\\](y)\\$1\\$" in row
    console = Console(file=io.StringIO(), width=120)
    print_summary(summary, console)
    assert "[red]ViT" in console.file.getvalue()
