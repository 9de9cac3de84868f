"""What a project asks for, computed once: models, evaluations, settings, parts of a report."""

from pathlib import Path

import pytest

from neco.config import Project, load_project
from neco.config.base import validated
from neco.errors import UserError
from tests.config.refusal import refused

CONFIGS = Path(__file__).parents[2] / "config"


def test_names_that_lead_nowhere_are_refused():
    linear = {"protocol": "linear", "datasets": ["pascal-vocs"]}
    data = {"pascal-voc": {}}
    refused({"datasets": data, "evaluations": [linear]}, "'pascal-vocs' is not defined; did you")
    named = {"protocol": "linear", "datasets": ["pascal-voc"], "models": ["neko"]}
    runs = {"neco": {"backbone": "demo-vit"}}
    refused({"datasets": data, "runs": runs, "evaluations": [named]}, "model 'neko' is not defined")
    twice = {"protocol": "linear", "datasets": ["pascal-voc"]}
    doubled = {"datasets": data, "backbones": ["demo-vit"], "evaluations": [twice, twice]}
    refused(doubled, "linear of demo-vit on pascal-voc is asked for twice")


def test_ablations_have_evaluations_and_settings_of_their_own():
    ablation = {"backbone": "demo-vit", "ablations": ["5a/both"]}
    project = validated(
        Project,
        {
            "datasets": {"pascal-voc": {}},
            "runs": {"neco": {"backbone": "demo-vit"}, "5a-both": ablation},
            "in_context": {"image_size": 518},
            "evaluations": [
                {"protocol": "in-context", "datasets": ["pascal-voc"]},
                {
                    "protocol": "in-context",
                    "datasets": ["pascal-voc"],
                    "models": "ablations",
                    "settings": {"image_size": 448, "fractions": [128]},
                },
            ],
        },
        "",
    )
    asked = [model for _, _, model in project.evaluated()]
    assert asked == ["demo-vit", "neco.seed0", "5a-both.seed0"]
    assert project.settings_for("in-context", "pascal-voc", "neco.seed0").image_size == 518
    assert project.settings_for("in-context", "pascal-voc", "5a-both.seed0").fractions == [128]
    assert project.settings_for("in-context", "pascal-voc").image_size == 518
    assert project.settings_for("linear", "pascal-voc", "neco.seed0").epochs == 20


def test_a_name_takes_every_model_that_bears_it():
    name = "neco-dino-vits16"
    run = {"backbone": "dino-vits16", "seeds": [0, 1]}
    values = {
        "datasets": {"pascal-voc": {}},
        "backbones": [name],
        "runs": {name: run, "other": run},
        "evaluations": [{"protocol": "linear", "datasets": ["pascal-voc"], "models": [name]}],
    }
    asked = [model for _, _, model in validated(Project, values, "").evaluated()]
    assert asked == [name, f"{name}.seed0", f"{name}.seed1"]
    values["evaluations"][0]["models"] = [f"{name}.seed1"]
    asked = [model for _, _, model in validated(Project, values, "").evaluated()]
    assert asked == [f"{name}.seed1"]


def test_settings_of_evaluations_are_validated_once_and_stay_the_same():
    """A workflow asks for them for every job; they are found by model, dataset and protocol."""
    project = load_project(CONFIGS / "config.yaml")
    for (protocol, dataset, model), evaluation in project.evaluated().items():
        found = project.settings_for(protocol, dataset, model)
        assert found is project.settings_for(protocol, dataset, model)
        assert found == project.protocol_settings(protocol, dataset, evaluation.settings)
    assert project == load_project(CONFIGS / "config.yaml")
    of_none = project.protocol_settings("in-context", "pascal-voc", {})
    assert project.settings_for("in-context", "pascal-voc", "no such model") == of_none
    assert project.settings_for("linear", "nowhere") == project.linear


def test_one_part_need_not_be_a_list() -> None:
    assert validated(Project, {"only": "table-8"}, "").only == ["table-8"]
    assert validated(Project, {"only": ["table-8", "overlays"]}, "").only == ["table-8", "overlays"]


@pytest.mark.parametrize(("name", "near"), [("table-88", "table-8"), ("figur-2", "figure-2")])
def test_an_unknown_part_is_refused_with_the_nearest(name: str, near: str) -> None:
    with pytest.raises(UserError, match=f"no '{name}'; did you mean '{near}'"):
        validated(Project, {"only": [name]}, "configuration")


def test_a_copy_with_other_settings_computes_anew() -> None:
    project = load_project(CONFIGS / "smoke.yaml")
    assert project.evaluated() is project.evaluated()
    copy = project.model_copy(update={"backbones": [], "runs": {}, "evaluations": []})
    assert project.models() and project.evaluated()
    assert not copy.models() and not copy.evaluated()
    assert copy.written().keys() == project.written().keys() == Project.model_fields.keys()
