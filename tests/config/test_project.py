"""What a project computes once, and which parts of a report it can be asked for."""

from pathlib import Path

import pytest

from neco.config import Project, load_project
from neco.config.base import validated
from neco.errors import UserError

CONFIGS = Path(__file__).parents[2] / "config"


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


def test_settings_are_those_of_the_evaluation_that_asks() -> None:
    project = load_project(CONFIGS / "smoke.yaml")
    for (protocol, dataset, model), evaluation in project.evaluated().items():
        expected = project.protocol_settings(protocol, dataset, evaluation.settings)
        assert project.settings_for(protocol, dataset, model) == expected
    of_none = project.protocol_settings("in-context", "pascal-voc", {})
    assert project.settings_for("in-context", "pascal-voc", "no such model") == of_none
