from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neco.config import Project
from neco.errors import UserError
from neco.report.scores.groups import read_groups
from neco.report.scores.measured import Score, read_measured, refuse_other_settings

Write = Callable[..., None]
percent = st.floats(0, 100, allow_nan=False)


def test_seeds_of_a_run_are_averaged_and_spread_over_training_seeds(
    project: Path, write: Write
) -> None:
    values = {0: [60.0, 62.0], 1: [63.0, 63.0], 2: [70.0, 72.0]}
    for seed, numbers in values.items():
        write(project, f"main.seed{seed}", "in-context", "pascal-voc", {"1/8": numbers})
    measured = read_measured(project / "metrics", read_groups(project / "models.json"))
    score = measured.get(measured.groups[-1], "pascal-voc", "in-context", "1/8")
    means = [np.mean(numbers) for numbers in values.values()]
    assert score is not None
    assert score.mean == pytest.approx(np.mean(means))
    assert score.std == pytest.approx(np.std(means, ddof=1))
    assert score.by_seed == pytest.approx(dict(enumerate(means)))
    assert score.spread == "3 training seeds"


def test_a_backbone_keeps_the_spread_over_evaluation_seeds(project: Path, write: Write) -> None:
    numbers = [40.0, 41.0, 45.0]
    write(project, "dinov2r-vits14", "overcluster", "pascal-voc", {"K=500": numbers, "K=GT": [9.0]})
    measured = read_measured(project / "metrics", read_groups(project / "models.json"))
    group = measured.groups[2]
    score = measured.get(group, "pascal-voc", "overcluster", "K=500")
    single = measured.get(group, "pascal-voc", "overcluster", "K=GT")
    assert score is not None
    assert single is not None
    assert score.std == pytest.approx(np.std(numbers, ddof=1))
    assert score.spread == "3 evaluation seeds"
    assert single.std is None
    assert single.spread == ""


def test_what_was_not_run_is_none_and_strangers_are_left_out(project: Path, write: Write) -> None:
    write(project, "gone", "linear", "pascal-voc", {"": [50.0]}, commit="old")
    measured = read_measured(project / "metrics", read_groups(project / "models.json"))
    assert measured.scores == {}
    assert measured.left_out == ["linear/pascal-voc/gone.json"]
    assert measured.commits == []
    assert measured.get(measured.groups[0], "pascal-voc", "linear", "") is None


def test_conditions_that_differ_from_the_papers_are_said(project: Path, write: Write) -> None:
    name, place = "dinov2r-vits14", ("in-context", "pascal-voc")
    paper = {"image_size": 518, "memory_size": 10_240_000, "seeds": [0, 1, 2, 3, 4]}
    write(project, name, *place, {"1/1": [50.0]}, settings=paper, train_images=10582)
    measured = read_measured(project / "metrics", read_groups(project / "models.json"))
    assert measured.scores[name, "pascal-voc", "in-context", "1/1"].scale == ()
    small = {"image_size": 128, "memory_size": 5000, "seeds": [0]}
    more = {"settings": small, "val_images": 86, "train_images": 176}
    write(project, name, *place, {"1/1": [50.0]}, **more)
    measured = read_measured(project / "metrics", read_groups(project / "models.json"))
    scale = " | ".join(measured.scores[name, "pascal-voc", "in-context", "1/1"].scale)
    assert "86 held-out images (paper 1,449)" in scale
    assert "176 training images (paper 10,582)" in scale
    assert "image size 128 (paper 518)" in scale
    assert "memory size 5000 (paper 10240000)" in scale
    assert "1 evaluation seed (paper 5)" in scale


@given(st.dictionaries(st.integers(0, 9), percent, min_size=1, max_size=5), percent)
def test_a_gain_over_one_model_is_taken_seed_by_seed(after: dict[int, float], base: float) -> None:
    run = Score(float(np.mean(list(after.values()))), None, after, "")
    gain = run.minus(Score(base, None, {0: base}, ""))
    assert gain.mean == pytest.approx(np.mean([value - base for value in after.values()]))
    assert gain.by_seed == pytest.approx({seed: value - base for seed, value in after.items()})
    assert (gain.std is None) == (len(after) == 1)
    assert run.minus(run).mean == 0


def test_metrics_of_another_configuration_are_refused(tmp_path, write):
    project = Project.model_validate(
        {
            "datasets": {"pascal-voc": {}},
            "backbones": ["demo-vit"],
            "evaluations": [{"protocol": "linear", "datasets": ["pascal-voc"]}],
        }
    )
    now = project.settings_for("linear", "pascal-voc", "demo-vit").model_dump(mode="json")
    write(tmp_path, "demo-vit", "linear", "pascal-voc", {"": [50.0]}, settings=now)
    refuse_other_settings(tmp_path / "metrics", project)
    write(
        tmp_path, "demo-vit", "linear", "pascal-voc", {"": [50.0]}, settings={**now, "epochs": 99}
    )  # fmt: skip
    with pytest.raises(UserError, match=rf"measured with epochs 99, and .* says {now['epochs']}"):
        refuse_other_settings(tmp_path / "metrics", project)
    write(tmp_path, "unknown", "linear", "pascal-voc", {"": [50.0]}, settings={"epochs": 99})
    (tmp_path / "metrics" / "linear" / "pascal-voc" / "demo-vit.json").unlink()
    refuse_other_settings(tmp_path / "metrics", project)  # nobody asks for it
