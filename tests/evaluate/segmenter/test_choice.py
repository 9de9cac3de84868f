"""The best learning rate by mean over seeds; nothing that does not belong together."""

import pytest

from neco.config.segmenter import Segmenter
from neco.errors import UserError
from neco.evaluate.conditions import Conditions
from neco.evaluate.result import Metrics, Result, read_result, summarise, write_result
from neco.evaluate.segmenter.choice import best_learning_rate
from neco.report.scores.scale import reasons

SETTINGS = Segmenter(learning_rates=[8e-5, 3e-5], seeds=[0, 1])
SCORES = {(8e-5, 0): 50.0, (8e-5, 1): 40.0, (3e-5, 0): 46.0, (3e-5, 1): 48.0}


def part(rate, seed, miou, settings=SETTINGS, model="neco.seed0", dataset="ade20k"):
    result = Result(
        setting="", seed=seed, mIoU=miou, per_class_iou={}, details={"learning_rate": rate}
    )
    conditions = Conditions(
        class_set=[], mask_resolution="full", input_size=512, grid=[32, 32], val_split="val",
        val_images=2000, train_images=20210, seeds=[seed], config_digest="c", packages={},
        device="cpu", wall_seconds=2.0,
    )  # fmt: skip
    return Metrics(
        protocol="segmenter", dataset=dataset, model=model, mIoU=miou, headline="",
        results=[result], summary=summarise([result]), settings=settings.model_dump(mode="json"),
        conditions=conditions, about={"model": model},
    )  # fmt: skip


def parts(**more):
    return [part(rate, seed, miou, **more) for (rate, seed), miou in SCORES.items()]


def test_the_highest_mean_is_the_result_and_the_rest_is_recorded(tmp_path):
    best = best_learning_rate(reversed(parts()), SETTINGS)
    write_result(tmp_path / "best.json", best)
    assert read_result(tmp_path / "best.json") == best
    assert best.mIoU == 47.0 and best.summary.keys() == {""} and best.summary[""].seeds == 2
    found = {(r.setting, r.seed): r.mIoU for r in best.results}
    assert found == {
        ("", 0): 46.0, ("", 1): 48.0, ("learning rate 8e-05", 0): 50.0,
        ("learning rate 8e-05", 1): 40.0,
    }  # fmt: skip
    assert best.conditions.seeds == [0, 1] and best.conditions.wall_seconds == 8.0


def test_a_report_that_changed_only_does_not_count_as_other_settings():
    often = SETTINGS.model_copy(update={"log_every": 1, "checkpoint_every": 7})
    assert best_learning_rate(parts(), often).mIoU == 47.0


def test_what_does_not_belong_together_is_refused():
    with pytest.raises(UserError, match=r"no result of learning rate 3e-05 \(seed 1\)"):
        best_learning_rate(parts()[:3], SETTINGS)
    with pytest.raises(UserError, match="one model"):
        best_learning_rate([*parts()[:3], part(3e-5, 1, 48.0, model="other")], SETTINGS)
    shorter = SETTINGS.model_copy(update={"iterations": 5})
    with pytest.raises(UserError, match="other settings"):
        best_learning_rate(parts(), shorter)


def test_the_papers_iterations_are_its_scale():
    for dataset, iterations in (("ade20k", 160_000), ("pascal-voc", 80_000)):
        settings = Segmenter(iterations=iterations, log_every=3)
        assert not [
            reason
            for reason in reasons(part(8e-5, 0, 1.0, settings, dataset=dataset), {})
            if "images" not in reason
        ]
    short = reasons(part(8e-5, 0, 1.0, Segmenter(iterations=9)), {})
    assert short == ["iterations 9 (paper 160000)"]
