from collections.abc import Callable
from pathlib import Path

import pytest

from neco.config import Project
from neco.paper.reported import of_table, read_reported
from neco.report.figures.figure_2 import draw, figure_2
from neco.report.figures.given import Given
from neco.report.figures.style import LINES
from neco.report.scores.groups import read_groups
from neco.report.scores.measured import Measured, read_measured
from neco.report.tables.cells import Footer

Write = Callable[..., None]
NUMBERS = read_reported()
REPORTED = [row for row in of_table(NUMBERS, "8") if "ViT-S" in row.backbone]


def test_the_papers_lines_alone_without_metrics() -> None:
    figure = draw(Measured([]), NUMBERS, Footer())
    panels = figure.axes
    assert [panel.get_title(loc="left") for panel in panels] == ["Pascal VOC", "ADE20K"]
    for panel, dataset in zip(panels, ("pascal-voc", "ade20k"), strict=True):
        lines = panel.get_lines()
        printed = {row.method for row in REPORTED if row.dataset == dataset}
        assert len(lines) == len(printed) == 8
        assert all(line.get_markerfacecolor() == "white" for line in lines)
        drawn = sorted(value for line in lines for value in line.get_ydata())
        assert drawn == sorted(row.number for row in REPORTED if row.dataset == dataset)
        assert any(text.get_text() == "ours: not run" for text in panel.texts)


def test_ours_is_solid_in_the_papers_colour(project: Path, write: Write) -> None:
    write(project, "dinov2r-vits14", "in-context", "pascal-voc", {"1/1": [70.0], "1/8": [60.0]})
    write(project, "patch-colours", "in-context", "pascal-voc", {"1/1": [20.0]})
    measured = read_measured(project / "metrics", read_groups(project / "models.json"))
    panel = draw(measured, NUMBERS, Footer()).axes[0]
    solid = [line for line in panel.get_lines() if line.get_linestyle() == "-"]
    by_data = {tuple(line.get_ydata()): line for line in solid}
    assert by_data[60.0, 70.0].get_color() == LINES["DINOv2R"]
    assert by_data[60.0, 70.0].get_marker() == "o"
    assert by_data[20.0,].get_color() not in LINES.values()
    assert by_data[20.0,].get_marker() == "s"


@pytest.mark.parametrize("dataset", ["pascal-voc", "coco-things"])
def test_files(project: Path, write: Write, tmp_path: Path, dataset: str) -> None:
    write(project, "main.seed0", "in-context", dataset, {"1/1": [70.0], "1/4": [60.0]})
    into = tmp_path / "figures"
    groups = read_groups(project / "models.json")
    paths = figure_2(Given(Project(), into, groups, project / "metrics"))
    assert [path.name for path in paths] == ["figure-2.png", "figure-2.pdf"]
