"""A released student and a run of the same name: both have their numbers everywhere."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from neco.evaluate.result import read_result
from neco.paper.reported import read_reported
from neco.publish.scores import write_comparisons
from neco.report.claims.verify import verify
from neco.report.figures.figure_2 import draw
from neco.report.figures.style import LINES
from neco.report.scores.groups import read_groups
from neco.report.scores.measured import Measured, read_measured
from neco.report.summary.gains import build_overview
from neco.report.summary.render import as_csv as summary_csv
from neco.report.summary.render import markdown as summary_markdown
from neco.report.tables.build import build_table
from neco.report.tables.cells import Footer, Table
from neco.report.tables.render import as_csv, html, latex, markdown
from tests.report.conftest import backbone, run

Write = Callable[..., None]
NAME = "neco-dinov2xr-vits14"
START, STUDENT, OURS = 70.0, 78.0, 76.0
QUANTITIES = {"in-context": "1/1", "overcluster": "K=500", "linear": ""}


@pytest.fixture
def both(tmp_path: Path, write: Write) -> Path:
    """A project with a start, the student released for it, and a run that bears its name.

    Every protocol gives the start START, the student STUDENT and the run's seeds OURS, OURS + 1.
    """
    start = "dinov2xr-vits14"
    models = [
        backbone(start, "DINOv2R"),
        backbone(NAME, "NeCo", start=start),
        *(run(NAME, seed, start) for seed in (0, 1)),
    ]
    (tmp_path / "models.json").write_text(json.dumps(models))
    values = {start: START, NAME: STUDENT, f"{NAME}.seed0": OURS, f"{NAME}.seed1": OURS + 1}
    for protocol, setting in QUANTITIES.items():
        for model, value in values.items():
            write(tmp_path, model, protocol, "pascal-voc", {setting: [value]})
    return tmp_path


def measured_of(project: Path) -> Measured:
    return read_measured(project / "metrics", read_groups(project / "models.json"))


def lines_of(table: Table) -> dict[tuple[str, str], dict[str, str]]:
    """Return our lines of a table by method and setting."""
    lines = csv.DictReader(io.StringIO(as_csv(table)))
    return {(line["method"], line["setting"]): line for line in lines if line["ours"]}


def test_each_group_has_scores_of_its_own(both: Path) -> None:
    measured = measured_of(both)
    start, student, ours = measured.groups
    assert len({group.handle for group in measured.groups}) == 3
    assert student.name == ours.name == NAME
    for protocol, setting in QUANTITIES.items():
        found = [measured.get(g, "pascal-voc", protocol, setting) for g in measured.groups]
        assert [score and score.mean for score in found] == [START, STUDENT, OURS + 0.5]
    assert measured.start_of(student) == measured.start_of(ours) == start


@pytest.mark.parametrize(
    ("name", "setting", "paper"),
    [("1a", "K=500", 72.6), ("2", "", 81.3), ("7", "K=500", 72.6), ("8", "1/1", 78.9)],
)
def test_a_table_holds_both_against_the_papers_row(
    both: Path, name: str, setting: str, paper: float
) -> None:
    table = build_table(name, measured_of(both), read_reported())
    lines = lines_of(table)
    ours, student = lines["NeCo", setting], lines["NeCo, released weights", setting]
    assert float(ours["ours"]) == OURS + 0.5
    assert float(student["ours"]) == STUDENT
    for line in (ours, student):
        assert line["paper"] == f"{paper}"
        assert float(line["difference"]) == pytest.approx(float(line["ours"]) - paper)
    assert student["backbone"] == "ViT-S/14"
    stubs = [row.stub[0] for row in table.rows if row.released]
    assert stubs == ["NeCo, released weights"]
    assert not any(row.extra for row in table.rows)
    assert table.counts["run"] == 2  # the paper's cells: its start and its NeCo, once each
    assert any("published" in note for note in table.notes())
    for text in (markdown(table), html(table), latex(table)):
        assert text.count("NeCo, released weights") == len(table.blocks)


def test_a_student_that_was_not_evaluated_has_no_row(both: Path) -> None:
    table = build_table("4", measured_of(both), read_reported())
    assert not any(row.released for row in table.rows)
    assert not any("published" in note for note in table.notes())


def test_table_3_has_the_gain_of_both(tmp_path: Path, write: Write) -> None:
    models = [
        backbone("dino-vits16", "DINO", "ViT-S/16"),
        backbone("neco-dino-vits16", "DINO+NeCo", "ViT-S/16", start="dino-vits16"),
        run("neco-dino-vits16", 0, "dino-vits16", "ViT-S/16"),
    ]
    (tmp_path / "models.json").write_text(json.dumps(models))
    values = {"dino-vits16": 50.0, "neco-dino-vits16": 61.5, "neco-dino-vits16.seed0": 60.0}
    for model, value in values.items():
        write(tmp_path, model, "linear", "pascal-voc", {"": [value]})
    table = build_table("3", measured_of(tmp_path), read_reported())
    place = [(c.protocol, c.dataset) for c in table.columns].index(("linear", "pascal-voc"))
    first = [row.stub[0] for row in table.rows].index("DINO+NeCo")
    texts = [(row.stub[0], row.cells[place].ours_text) for row in table.rows[first : first + 4]]
    assert texts == [
        ("DINO+NeCo", "60.0"),
        ("gain", "+10.0"),
        ("DINO+NeCo, released weights", "61.5"),
        ("gain", "+11.5"),
    ]


def test_the_summary_has_both_and_their_gains(both: Path) -> None:
    summary = build_overview(measured_of(both))
    titles = [group.title for group, _ in summary.rows]
    assert titles == [
        "DINOv2R ViT-S/14",
        "NeCo, released weights ViT-S/14",
        f"NeCo ({NAME}, from dinov2xr-vits14)",
    ]
    gains = {(gain.run.is_run, gain.quantity.protocol): gain.score.mean for gain in summary.gains}
    assert gains == {
        (trained, protocol): (OURS + 0.5 if trained else STUDENT) - START
        for trained in (False, True)
        for protocol in QUANTITIES
    }
    lines = list(csv.DictReader(io.StringIO(summary_csv(summary))))
    linear = {
        line["kind"]: (float(line["mIoU"]), line["gain"] and float(line["gain"]))
        for line in lines
        if line["protocol"] == "linear"
    }
    assert linear == {
        "backbone": (START, ""),
        "released": (STUDENT, STUDENT - START),
        "run": (OURS + 0.5, OURS + 0.5 - START),
    }
    assert len({line["model"] for line in lines}) == 3
    text = summary_markdown(summary)
    assert f"{STUDENT:.1f} | +{STUDENT - START:.1f} (1/1)" in text
    assert f"{OURS + 0.5:.1f} ± 0.7 | +{OURS + 0.5 - START:.1f} ± 0.7 (2/2)" in text


def test_figure_2_draws_both(both: Path) -> None:
    figure = draw(measured_of(both), read_reported(), Footer())
    panel = figure.axes[0]
    solid = [line for line in panel.get_lines() if line.get_linestyle() == "-"]
    drawn = {(line.get_marker(), *line.get_ydata()): line.get_color() for line in solid}
    assert drawn["o", OURS + 0.5] == drawn["D", STUDENT] == LINES["NeCo"]
    assert drawn["o", START] == LINES["DINOv2R"]
    (legend,) = figure.legends
    labels = [text.get_text().replace("\n", " ") for text in legend.get_texts()]
    assert "NeCo, released weights ViT-S/14" in labels
    assert "ours, not in the paper" not in labels


def test_claims_judge_both(both: Path) -> None:
    claims = verify(measured_of(both), read_reported())
    ran = {(c.table, c.kind, c.text): c for c in claims if c.status != "not run"}
    place = "Pascal VOC, in-context 1/1"
    ours = ran["8", "value", f"NeCo ViT-S/14: 78.9 in {place}"]
    student = ran["8", "value", f"NeCo, released weights ViT-S/14: 78.9 in {place}"]
    assert (ours.status, student.status) == ("does not hold", "holds")
    assert student.evidence == "ours 78.0 (-0.9)"
    gains = {
        text: claim.evidence for (table, kind, text), claim in ran.items() if kind == "gain"
        and table == "8"
    }  # fmt: skip
    assert gains == {
        f"NeCo on DINOv2R ViT-S/14: +5.1 in {place}": "ours +6.5 ± 0.7 (+6.0, +7.0)",
        f"NeCo, released weights, on DINOv2R ViT-S/14: +5.1 in {place}": "ours +8.0",
    }
    # An order and a best are of the paper's rows: the student stands for none of its own.
    (order,) = (c for (table, kind, _), c in ran.items() if (table, kind) == ("8", "order"))
    assert order.evidence == "1 of 1 pairs ordered as in the paper"
    nothing = verify(Measured([]), read_reported())
    assert {c.text for c in nothing} <= {c.text for c in claims}


def test_published_plots_have_a_column_for_each(both: Path, tmp_path: Path) -> None:
    metrics = [read_result(path) for path in sorted((both / "metrics").glob("linear/*/*.json"))]
    drawn = write_comparisons(metrics, measured_of(both).groups, tmp_path / "plots")
    (columns,) = drawn.values()
    assert len(columns) == len(set(columns)) == 3
    (path,) = (tmp_path / "plots").glob("*.class.csv")
    with path.open(newline="") as file:
        (line,) = csv.DictReader(file)
    assert [float(line[name]) for name in columns] == [START, STUDENT, OURS + 0.5]
