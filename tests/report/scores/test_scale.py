from collections.abc import Callable
from pathlib import Path

import pytest

from neco.evaluate.result import read_result
from neco.report.scores.scale import reasons

Write = Callable[..., None]
PAPER = {"dataset": "coco", "images": 118287, "epochs": 25, "batch_size": 64, "steps": None}


@pytest.fixture
def result(tmp_path: Path, write: Write):
    write(tmp_path, "x", "in-context", "pascal-voc", {"1/1": [50.0]}, train_images=10582)
    return read_result(tmp_path / "metrics/in-context/pascal-voc/x.json")


def test_the_papers_own_training_differs_in_nothing(result) -> None:
    assert reasons(result, PAPER) == []
    assert reasons(result, {**PAPER, "epochs": 10}, ("5a/both",)) == []


def test_training_at_another_scale_is_said(result) -> None:
    small = {**PAPER, "images": 388, "batch_size": 8, "steps": 240, "epochs": None}
    assert reasons(result, small) == [
        "trained on 388 images (paper 118,287)",
        "trained with batches of 8 (paper 64)",
        "trained for 240 steps (paper 25 epochs)",
    ]


@pytest.mark.parametrize(
    ("cell", "varied"), [("9b/8", "batch_size"), ("9d/4", "epochs"), ("5d/pascal", "images")]
)
def test_what_an_ablation_varies_is_no_difference(result, cell: str, varied: str) -> None:
    training = {**PAPER, "epochs": 10, varied: 4}
    assert reasons(result, training, (cell,)) == []
    assert reasons(result, training, ("5a/both",)) != []


def test_a_dataset_of_ones_own_is_said(tmp_path: Path, write: Write) -> None:
    write(tmp_path, "x", "overcluster", "my-photos", {"K=GT": [5.0]})
    mine = read_result(tmp_path / "metrics/overcluster/my-photos/x.json")
    assert reasons(mine, {}) == ["a dataset that the paper does not use"]
