"""A run says only what differs from another run."""

from neco.config import Project
from neco.config.base import validated
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
