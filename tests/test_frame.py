"""results: one row for every number of the metrics files."""

import json
import shutil
from pathlib import Path

import pytest

from neco import results
from neco.errors import UserError

PLACE = Path(__file__).parents[1] / "docs" / "real-data" / "fast-200"


def test_every_number_has_a_row():
    found = results(PLACE)
    wanted = [
        (content["model"], result["setting"], result["seed"], result["mIoU"], *result["interval"])
        for content in (json.loads(path.read_text()) for path in sorted(PLACE.glob("*.json")))
        for result in content["results"]
    ]
    columns = ["model", "setting", "seed", "value", "low", "high"]
    assert [*found[columns].itertuples(index=False, name=None)] == wanted
    assert set(found["quantity"]) == {"mIoU"} and found["headline"].all()


def test_every_class_has_a_row():
    path = PLACE / "neco-in-context.json"
    found = results(path, classes=True).set_index("class")["value"]
    assert found.to_dict() == json.loads(path.read_text())["results"][0]["per_class_iou"]


def test_of_a_project_only_the_metrics_are_read(tmp_path):
    shutil.copytree(PLACE, tmp_path / "metrics")
    (tmp_path / "models.json").write_text("{}")
    assert len(results(str(tmp_path))) == len(results(PLACE))


def test_a_place_without_metrics_is_refused(tmp_path):
    with pytest.raises(UserError, match="no metrics files"):
        results(tmp_path)
    with pytest.raises(UserError, match="no such metrics file"):
        results(tmp_path / "absent")
    with pytest.raises(UserError, match="not a metrics file"):
        results(PLACE / "metrics.csv")
