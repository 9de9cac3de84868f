"""models.json: what the registry says of a model, and what its training took on which device."""

import json
from pathlib import Path
from typing import Any

import pytest

from neco.config import Project
from neco.config.base import validated
from neco.paper.reported import of_table, read_reported
from neco.report.scores.groups import read_groups
from neco.report.scores.measured import read_measured
from neco.report.scores.models import Model, describe_models
from neco.report.tables.build import build_table
from neco.report.tables.cells import Cell

RUN = "neco-dino-vits16"
TRAINED = {"images": 1000, "steps": 50, "seconds": 7200.0, "device": "cuda:0"}


def project_of(**more: Any) -> Project:
    values = {
        "backbones": ["neco-dino-vits16", "dinov2r-vits14", "dinov2xr-vits14"],
        "runs": {
            RUN: {
                "backbone": "dino-vits16",
                "initial": False,
                "train": {"batch_size": 40, "epochs": 2},
                **more,
            }
        },
    }
    return validated(Project, values, "test")


def described(folder: Path, **training: Any) -> dict[str, Model]:
    """Return the models of the project, with training.json as TRAINED and `training` say."""
    path = folder / f"{RUN}.seed0" / "training.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(TRAINED | training))
    return {model.model: model for model in describe_models(project_of(), folder)}


def test_a_student_and_a_run_of_its_name_say_what_they_are(tmp_path: Path) -> None:
    models = described(tmp_path)
    student, run = models[RUN], models[f"{RUN}.seed0"]
    assert (student.kind, run.kind) == ("backbone", "run")
    assert student.start == run.start == "dino-vits16"
    assert run.start_method == "DINO"  # though the project does not evaluate it
    assert student.training == {}
    assert models["dinov2xr-vits14"].start is None


def test_hours_are_of_the_clock_and_of_every_gpu(tmp_path: Path) -> None:
    more = {"processes": 4, "device_name": "NVIDIA H100 80GB HBM3", "starts": 3}
    training = described(tmp_path, **more)[f"{RUN}.seed0"].training
    assert (training["hours"], training["gpu_hours"]) == (2.0, 8.0)
    assert training["epoch_minutes"] == pytest.approx(60.0)  # 50 steps of 40 are two passes
    assert training["device"] == "4 x NVIDIA H100 80GB HBM3"
    assert training["starts"] == 3


@pytest.mark.parametrize(
    ("recorded", "said"),
    [({}, "GPU"), ({"device": "cpu"}, "CPU"), ({"device": "mps"}, "this project's hardware")],
)
def test_a_training_of_an_earlier_version_has_no_name_of_its_device(
    tmp_path: Path, recorded: dict[str, str], said: str
) -> None:
    training = described(tmp_path, **recorded)[f"{RUN}.seed0"].training
    assert (training["device"], training["gpu_hours"], training["starts"]) == (said, 2.0, None)


def write_run(folder: Path, training: dict[str, Any], **more: Any) -> None:
    """Write models.json with one run on TimeT."""
    model = {
        "model": "mine.seed0", "kind": "run", "run": "mine", "seed": 0, "method": "NeCo",
        "label": "ViT-S/16", "start": "timet-vits16", "start_method": "TimeT",
        "training": training, **more,
    }  # fmt: skip
    (folder / "models.json").write_text(json.dumps([model]))


def hours_in(table: str, folder: Path, training: dict[str, Any], **more: Any) -> Cell:
    """Return the cell of training hours of one run on TimeT in a table."""
    write_run(folder, training, **more)
    measured = read_measured(folder / "metrics", read_groups(folder / "models.json"))
    built = build_table(table, measured, read_reported())
    place = [column.protocol for column in built.columns].index("train-hours")
    (cell,) = (row.cells[place] for row in built.rows if row.cells[place].ours)
    return cell


def test_tables_9d_and_10_say_whose_hours_they_are(tmp_path: Path) -> None:
    known = {"hours": 2.0, "gpu_hours": 8.0, "device": "4 x H100", "starts": 3}
    of_all = hours_in("10", tmp_path, known)  # the paper's are eight GPUs' together
    of_each = hours_in("9d", tmp_path, known, ablations=["9d/16"])
    assert (of_all.paper_text, of_each.paper_text) == ("1.6", "10")
    assert of_all.ours and of_each.ours
    assert (of_all.ours.mean, of_each.ours.mean) == (2.0, 8.0)
    for cell in (of_all, of_each):
        assert cell.ours and cell.ours.scale == ("trained on 4 x H100, 3 starts together",)


def test_models_of_an_earlier_version_keep_their_hours(tmp_path: Path) -> None:
    cell = hours_in("9d", tmp_path, {"hours": 2.0}, ablations=["9d/16"])
    assert cell.ours
    assert (cell.ours.mean, cell.ours.scale) == (2.0, ("trained on this project's hardware",))


def test_a_run_that_did_not_train_fills_no_cost(tmp_path: Path) -> None:
    asked = {"epochs": 25, "batch_size": 64, "dataset": "coco"}
    write_run(tmp_path, asked)
    measured = read_measured(tmp_path / "metrics", read_groups(tmp_path / "models.json"))
    rows = build_table("10", measured, read_reported()).rows
    assert not any(cell.ours for row in rows for cell in row.cells)


def test_the_papers_hours_in_table_10_are_epochs_times_epoch_time() -> None:
    """Why Table 10's hours are the clock's: DINO's 800 epochs of 1:33 are its 20 hours."""
    rows = [row for row in of_table(read_reported(), "10") if row.method == "DINO"]
    number = {row.protocol: row.number for row in rows}
    hours = number["epochs"] * number["epoch-time-min:sec"] / 60
    assert hours == pytest.approx(number["train-hours"], rel=0.05)
