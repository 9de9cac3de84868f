"""A run says only what differs from another run."""

import pytest

from neco.config import Project
from neco.config.base import validated
from neco.config.runs import Run
from neco.errors import UserError
from tests.config.refusal import refused


def test_a_run_like_another_says_only_what_differs():
    base = {"backbone": "demo-vit", "seeds": [3], "ablations": ["5a/both"], "train": {"epochs": 10}}
    middle = {"like": "base", "train": {"loss": {"patches": "foreground"}}}
    last = {"like": "middle", "train": {"epochs": 2}, "ablations": ["9d/2"]}
    project = validated(Project, {"runs": {"base": base, "middle": middle, "last": last}}, "")
    assert project.training("middle").epochs == 10
    assert project.training("last").epochs == 2
    assert project.training("last").loss.patches == "foreground"
    assert project.runs["last"].seeds == [3] and project.runs["middle"].ablations == []
    again = validated(Project, project.model_dump(mode="json"), "")
    assert again == project, "what is written to project.yaml reads back the same"
    refused({"runs": {"base": base, "x": {"like": "bse"}}}, "'bse' is not defined; did you mean")
    circle = {"a": {"like": "b"}, "b": {"like": "a"}}
    refused({"runs": circle}, "is like itself")


@pytest.mark.parametrize("cell", ["9z/3", "9a", "9a/", "table-9a/3", "8/24", "1a/x"])
def test_a_cell_that_no_table_could_show_is_refused(cell):
    with pytest.raises(UserError, match=rf"'{cell}' is no TABLE/SETTING, as in 9a/24"):
        validated(Run, {"backbone": "demo-vit", "ablations": [cell]}, "run")
    assert validated(Run, {"backbone": "demo-vit", "ablations": ["9c/(1,2)"]}, "run").ablations


def test_two_runs_do_not_fill_one_cell():
    run = {"backbone": "demo-vit", "ablations": ["9a/24"]}
    with pytest.raises(UserError, match="runs: a and b both fill 9a/24; give one another cell"):
        validated(Project, {"runs": {"a": run, "b": run}}, "project")
