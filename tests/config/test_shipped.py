"""The configurations of config/: they parse, and they ask for what the paper shows."""

from pathlib import Path

import pytest

from neco.config import load_project
from neco.paper.reported import read_reported

CONFIGS = Path(__file__).parents[2] / "config"
SHIPPED = ["config.yaml", "demo.yaml", "quick-demo.yaml", "smoke.yaml", "subset.yaml"]


@pytest.mark.parametrize("name", SHIPPED)
def test_what_ships_parses(name):
    project = load_project(CONFIGS / name)
    assert project.models()
    for run in project.runs:
        assert project.training(run, seed=3).seed == 3


def test_every_ablation_row_of_the_paper_has_a_run():
    project = load_project(CONFIGS / "config.yaml")
    filled = {cell for run in project.runs.values() for cell in run.ablations}
    names = {(row.table.removeprefix("table"), row.setting) for row in read_reported()}
    rows = {(table, setting) for table, setting in names if table[:-1] in ("5", "9")}
    assert filled == {f"{table}/{setting}" for table, setting in rows}


def test_the_paper_is_run_without_registers_and_checked_on_released_students():
    project = load_project(CONFIGS / "config.yaml")
    starts = {run.backbone for run in project.runs.values()}
    assert {start for start in starts if "dinov2" in start} == {
        "dinov2xr-vits14",
        "dinov2xr-vitb14",
    }
    asked = {}
    for protocol, dataset, model in project.evaluated():
        asked.setdefault(model, set()).add((protocol, dataset))
    with_registers = [model for model in asked if "dinov2r-" in model]
    assert not any(project.models()[model][1] for model in with_registers)
    headline = {
        ("overcluster", "pascal-voc"), ("overcluster", "coco-things"),
        ("linear", "pascal-voc"), ("linear", "coco-things"),
        ("linear", "coco-stuff"), ("linear", "ade20k"),
        ("in-context", "pascal-voc"), ("in-context", "ade20k"),
    }  # fmt: skip
    for size in ("vits14", "vitb14"):
        for family in ("dinov2xr", "dinov2r"):
            assert asked[f"neco-{family}-{size}"] == headline <= asked[f"{family}-{size}"]
    for family in ("dino", "timet", "leopart"):
        table_3 = {key for key in headline if key[0] != "in-context"} - {
            ("linear", "coco-stuff"), ("linear", "ade20k"),
        }  # fmt: skip
        assert asked[f"neco-{family}-vits16"] == table_3 <= asked[f"{family}-vits16"]
