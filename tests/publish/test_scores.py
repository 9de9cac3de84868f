"""Flat metrics and the CSVs that plots read say what the metrics files say."""

import csv
import json

import pytest

from neco.config import load_project
from neco.publish.scores import stem_of, write_comparisons, write_scores
from neco.publish.select import read_traceable
from neco.report.scores.groups import read_groups
from tests.publish.conftest import MODELS


@pytest.fixture
def metrics(results):
    return read_traceable(load_project(results / "project.yaml"), results)


def test_one_flat_file_per_model(metrics, tmp_path):
    paths = write_scores(metrics, tmp_path / "scores")
    assert {path.stem for path in paths} == set(MODELS)
    for model, value in MODELS.items():
        assert json.loads((tmp_path / "scores" / f"{model}.json").read_text()) == {
            "in-context": {"pascal-voc": {"1/1": value, "1/8": value - 1}},
            "linear": {"pascal-voc": {"mIoU": value}},
        }


def test_comparisons_average_seeds_and_leave_out_absent_classes(metrics, results, tmp_path):
    groups = read_groups(results / "models.json")
    drawn = write_comparisons(metrics, groups, tmp_path / "plots")
    assert drawn == {
        ("in-context", "pascal-voc", "1/1"): ["demo-vit", "neco"],
        ("linear", "pascal-voc", ""): ["demo-vit", "neco"],
    }
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {
        f"{stem_of(*key)}.{kind}.csv" for key in drawn for kind in ("model", "class")
    }
    with (tmp_path / "plots" / "in-context.pascal-voc.1-1.model.csv").open() as file:
        by_model = {row["model"]: float(row["mIoU"]) for row in csv.DictReader(file)}
    assert by_model == MODELS
    with (tmp_path / "plots" / "in-context.pascal-voc.1-1.class.csv").open() as file:
        rows = list(csv.DictReader(file))
    run = (MODELS["neco.seed0"] + MODELS["neco.seed1"]) / 2
    assert [(row["class"], float(row["demo-vit"]), float(row["neco"])) for row in rows] == [
        ("cat", MODELS["demo-vit"] + 1, run + 1),
        ("dog", MODELS["demo-vit"] - 1, run - 1),
    ]
