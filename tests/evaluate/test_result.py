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
    assert [*read_results(tmp_path).values()] == [metrics(model="a"), metrics(model="b")]
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


def edited(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda content: content.update(mIoU=84.0), "mIoU 84.0000 is not that of its results"),
        (lambda content: content["results"][0].update(mIoU=84.0), "summary of '1/8'"),
        (lambda content: content["summary"]["1/8"].update(mIoU=84.0), "summary of '1/8'"),
        (lambda content: content["results"].pop(), "summary of '1/8'"),
        (lambda content: content.update(dataset="coco"), "changed after it was written"),
        (lambda content: content["settings"].update(neighbours=3), "changed after"),
        (lambda content: content["results"][0]["per_class_iou"].update(cat=99.0), "changed after"),
    ],
)
def test_an_edited_file_is_refused(tmp_path, change, match):
    path = tmp_path / "a.json"
    write_result(path, metrics())
    edited(path, change)
    with pytest.raises(UserError, match=rf"a\.json: .*{match}.*evaluate again"):
        read_results(tmp_path)


def test_a_file_without_digest_is_read_and_its_headline_is_checked(tmp_path):
    path = tmp_path / "a.json"
    write_result(path, metrics())
    edited(path, lambda content: content.pop("digest"))
    assert [*read_results(tmp_path).values()] == [metrics()]
    edited(path, lambda content: content.update(mIoU=84.0))
    with pytest.raises(UserError, match="is not that of its results"):
        read_results(tmp_path)


def test_another_quantity_is_not_called_miou_in_the_file(tmp_path):
    results = [Result(setting="", seed=0, mIoU=64.0, quantity="shared neighbours")]
    found = metrics(
        results=results,
        summary=summarise(results),
        quantity="shared neighbours",
        headline="",
        mIoU=64.0,
    )
    write_result(tmp_path / "a.json", found)
    text = (tmp_path / "a.json").read_text()
    assert "mIoU" not in text and json.loads(text)["summary"][""]["score"] == 64.0
    assert [*read_results(tmp_path).values()] == [found]
    write_result(tmp_path / "a.json", metrics())
    assert "quantity" not in (tmp_path / "a.json").read_text()
