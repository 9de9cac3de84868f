"""What a part needs: held against tables that are built with more and with less."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from neco.backbones.registry import file_stem
from neco.config import Project, load_project
from neco.config.base import validated
from neco.config.reporting import PARTS, SHOWN
from neco.errors import UserError
from neco.paper.reported import read_reported
from neco.report.needs import (
    Needs,
    computed_with,
    drawable,
    everything,
    needs_of,
    shown_dataset,
    together,
)
from neco.report.scores.groups import grouped
from neco.report.scores.measured import read_measured
from neco.report.scores.models import describe_models
from neco.report.tables.build import build_table
from neco.report.tables.render import as_csv

Write = Callable[..., None]
CONFIGS = Path(__file__).parents[2] / "config"
SETTINGS = {"in-context": "1/8", "overcluster": "K=GT", "unsupervised": "K=21"}


def written(project: Project, needs: Needs, folder: Path, write: Write) -> str:
    """Write the metrics and trainings of `needs` alone; each has a value of its own."""
    for key in needs.metrics:
        protocol, dataset, model = key
        values = {SETTINGS.get(protocol, ""): [float(1 + list(project.evaluated()).index(key))]}
        if protocol == "unsupervised":
            values["CBFE"] = [values["K=21"][0] / 2]
        write(folder, file_stem(model), protocol, dataset, values)
    for number, model in enumerate(project.models()):
        if model in needs.trainings:
            path = folder / "runs" / model / "training.json"
            path.parent.mkdir(parents=True)
            about = {"images": 100, "steps": 3, "seconds": 3600.0 * (1 + number), "device": "cpu"}
            path.write_text(json.dumps(about))
    return str(folder)


def table(name: str, project: Project, folder: Path) -> str:
    groups = grouped(describe_models(project, folder / "runs"))
    return as_csv(build_table(name, read_measured(folder / "metrics", groups), read_reported()))


@pytest.mark.parametrize("name", ["1b", "3", "5a", "6", "8", "10"])
def test_a_table_shows_all_of_what_it_needs_and_nothing_else(
    name: str, write: Write, tmp_path: Path
) -> None:
    project = load_project(CONFIGS / "smoke.yaml")
    needs = needs_of(f"table-{name}", project)
    assert needs.metrics
    written(project, everything(project), tmp_path / "all", write)
    written(project, needs, tmp_path / "needed", write)
    whole = table(name, project, tmp_path / "needed")
    assert table(name, project, tmp_path / "all") == whole
    for protocol, dataset, model in needs.metrics:
        file = tmp_path / "needed" / "metrics" / protocol / dataset / f"{file_stem(model)}.json"
        content = file.read_text()
        file.unlink()
        assert table(name, project, tmp_path / "needed") != whole, file
        file.write_text(content)


def test_the_parts_of_the_paper_together_need_everything() -> None:
    paper = load_project(CONFIGS / "config.yaml")
    needs = together(SHOWN, paper)
    assert set(needs.metrics) == set(paper.evaluated())
    assert needs.models() == set(paper.models())
    assert needs_of("summary", paper) == everything(paper)


def test_table_8_needs_its_own_protocol_and_its_own_two_trainings() -> None:
    paper = load_project(CONFIGS / "config.yaml")
    needs = needs_of("table-8", paper)
    asked = {key for key in paper.evaluated() if key[0] == "in-context"}
    rows = {key for key in asked if not key[2][0].isdigit() and "ablation" not in key[2]}
    assert set(needs.metrics) == rows
    assert set(needs.trainings) == {
        "neco-on-dinov2xr-vits14.seed0",
        "neco-on-dinov2xr-vitb14.seed0",
    }


def test_a_model_of_another_table_is_no_row_that_the_paper_lacks() -> None:
    """Table 3 has ViT-S/16 alone: ViT-B/14, of Table 8, is not trained for it."""
    paper = load_project(CONFIGS / "config.yaml")
    needs = needs_of("table-3", paper)
    assert not [model for model in needs.models() if "vitb" in model and "dinov2r-" not in model]
    # With registers no table has them: rows of their own, in every table.
    assert "dinov2r-vitb14" in needs.models()


def test_figures_need_the_features_that_they_show() -> None:
    paper = load_project(CONFIGS / "config.yaml")
    assert set(needs_of("figure-4", paper).features) == {"start_val", "run_val"}
    assert {one.image_size for one in needs_of("figure-6", paper).features.values()} == {448}
    assert len(needs_of("overlays", paper).features) == 6
    assert [model for _, _, model in needs_of("figure-7", paper).maps] == list(
        paper.pictured() or ()
    )
    assert needs_of("figure-1", paper).weights == ("dinov2xr-vits14",)


def test_what_a_project_cannot_draw_is_refused() -> None:
    nothing = validated(Project, {"datasets": {"pascal-voc": {}}}, "")
    assert set(PARTS) - set(drawable(nothing)) == {
        *("figure-1", "figure-4", "figure-5", "figure-6", "figure-7", "overlays"),
    }
    with pytest.raises(UserError, match="figure-4: it shows a NeCo run"):
        needs_of("figure-4", nothing)
    demo = load_project(CONFIGS / "demo.yaml")
    with pytest.raises(UserError, match="figure-7: evaluations do not ask for unsupervised"):
        needs_of("figure-7", demo)


OWN = {"datasets": {"a": {}, "b": {}}, "runs": {"neco": {"backbone": "demo-vit"}}}


@pytest.mark.parametrize("name", ["config", "demo", "leaderboard", "own"])
def test_a_step_reads_the_project_that_the_workflow_read(name: str) -> None:
    """The workflow writes the whole project, and every step reads what was written."""
    asked = [{"protocol": "linear", "datasets": ["b"]}]
    own = validated(Project, {**OWN, "evaluations": asked}, "")
    project = own if name == "own" else load_project(CONFIGS / f"{name}.yaml")
    read = validated(Project, project.written(), "")
    assert shown_dataset(read) == shown_dataset(project)
    assert drawable(read) == drawable(project)
    for part in drawable(project):
        assert needs_of(part, read) == needs_of(part, project)


def test_figures_show_the_dataset_that_is_named_or_evaluated() -> None:
    asked = [{"protocol": "linear", "datasets": ["b"]}]
    assert shown_dataset(validated(Project, OWN, "")) == "a"
    assert shown_dataset(validated(Project, {**OWN, "evaluations": asked}, "")) == "b"
    assert shown_dataset(validated(Project, {**OWN, "report": {"dataset": "a"}}, "")) == "a"
    before = validated(Project, {**OWN, "report": {"dataset": "pascal-voc"}}, "")
    assert shown_dataset(before) == shown_dataset(validated(Project, OWN, ""))
    with pytest.raises(UserError, match="report: dataset 'c' is not defined; valid: a, b"):
        validated(Project, {**OWN, "report": {"dataset": "c"}}, "")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"train": {"loss": {"aligned_size": 5}}}, {"figure-1"}),
        ({"in_context": {"neighbours": 3}}, {"overlays"}),
        ({"overcluster": {"iterations": 3}}, {"figure-6", "overlays"}),
        ({"linear": {"epochs": 3}}, set()),
        ({"backbones": []}, set()),
    ],
)
def test_a_figure_follows_the_settings_that_it_computes_with(changes, expected) -> None:
    names = ("figure-1", "figure-3", "figure-4", "figure-6", "overlays")
    found = [
        {name: computed_with(name, load_project(CONFIGS / "demo.yaml", more)) for name in names}
        for more in ({}, changes)
    ]
    assert {name for name in names if found[0][name] != found[1][name]} == expected


def test_what_both_need_is_needed_once() -> None:
    paper = load_project(CONFIGS / "config.yaml")
    first, second = needs_of("figure-4", paper), needs_of("overlays", paper)
    both = first | second
    assert set(both.features.values()) == set(second.features.values())
    assert both | both == both
