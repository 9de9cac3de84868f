import json

import pytest

from neco.errors import UserError
from neco.evaluate.conditions import Conditions, packages
from neco.evaluate.result import Metrics, Result, read_results, summarise, write_result


def metrics(**changes):
    results = [
        Result(setting="1/8", seed=seed, mIoU=value, per_class_iou={"cat": value, "dog": None})
        for seed, value in enumerate([10.0, 14.0])
    ]
    conditions = Conditions(
        class_set=["cat", "dog"],
        mask_resolution="full",
        input_size=96,
        grid=[12, 12],
        val_split="val",
        val_images=3,
        seeds=[0, 1],
        config_digest="0" * 12,
        packages=packages(),
        device="cpu",
        wall_seconds=0.5,
    )
    values = {
        "protocol": "in-context",
        "dataset": "pascal-voc",
        "mIoU": 12.0,
        "headline": "1/8",
        "results": results,
        "summary": summarise(results),
        "settings": {"neighbours": 30},
        "conditions": conditions,
    }
    return Metrics(**{**values, **changes})


def test_a_metrics_file_comes_back_as_it_was_written(tmp_path):
    for name in ("b", "a"):
        write_result(tmp_path / "voc" / f"{name}.json", metrics(model=name))
    assert read_results(tmp_path) == [metrics(model="a"), metrics(model="b")]
    assert [path.name for path in sorted((tmp_path / "voc").iterdir())] == ["a.json", "b.json"]


def test_summary_is_mean_and_sample_deviation_over_seeds():
    summary = metrics().summary["1/8"]
    assert (summary.mIoU, summary.seeds) == (12.0, 2)
    assert summary.std == pytest.approx(8**0.5)


def test_a_number_that_json_cannot_hold_leaves_no_file(tmp_path):
    path = tmp_path / "a.json"
    with pytest.raises(ValueError):
        write_result(path, metrics(about={"loss": float("nan")}))
    assert list(tmp_path.iterdir()) == []


def test_conditions_are_not_optional(tmp_path):
    broken = metrics().model_dump(mode="json")
    del broken["conditions"]["input_size"]
    (tmp_path / "a.json").write_text(json.dumps(broken))
    with pytest.raises(UserError, match=r"a\.json.*conditions\.input_size"):
        read_results(tmp_path)


def test_another_quantity_is_not_called_miou_in_the_file(tmp_path):
    results = [Result(setting="", seed=0, mIoU=64.0, quantity="shared neighbours")]
    found = metrics(
        results=results, summary=summarise(results), quantity="shared neighbours", headline=""
    )
    write_result(tmp_path / "a.json", found)
    text = (tmp_path / "a.json").read_text()
    assert "mIoU" not in text and json.loads(text)["summary"][""]["score"] == 64.0
    assert read_results(tmp_path) == [found]
    write_result(tmp_path / "a.json", metrics())
    assert "quantity" not in (tmp_path / "a.json").read_text()
