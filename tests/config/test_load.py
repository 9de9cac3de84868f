"""Files of a configuration: those that they include, broken ones, and the digest of settings."""

import pytest

from neco.config import Train, digest, load_project
from neco.config.base import validated
from neco.errors import UserError


def test_included_files_lie_below(tmp_path):
    (tmp_path / "below.yaml").write_text("runs: {a: {backbone: demo-vit, seeds: [1]}}\nname: low")
    (tmp_path / "my.yaml").write_text("include: [below.yaml]\nruns: {a: {seeds: [2]}}")
    project = load_project(tmp_path / "my.yaml")
    assert project.name == "low" and project.include == []
    assert project.runs["a"].seeds == [2] and project.runs["a"].backbone == "demo-vit"
    (tmp_path / "my.yaml").write_text("include: [nothing.yaml]")
    with pytest.raises(UserError, match=r"nothing\.yaml: no such configuration"):
        load_project(tmp_path / "my.yaml")


def test_a_missing_or_broken_file_is_one_line(tmp_path):
    with pytest.raises(UserError, match="no such configuration"):
        load_project(tmp_path / "nothing.yaml")
    (tmp_path / "broken.yaml").write_text("a: [1, 2")
    with pytest.raises(UserError, match="not YAML") as caught:
        load_project(tmp_path / "broken.yaml")
    assert "\n" not in str(caught.value)
    (tmp_path / "list.yaml").write_text("- 1")
    with pytest.raises(UserError, match="is a mapping"):
        load_project(tmp_path / "list.yaml")


def test_digest_sees_every_setting_but_not_speed():
    base = Train()
    assert digest(base) != digest(validated(Train, {"loss": {"nearest": 4}}, ""))
    faster = validated(Train, {"workers": 1, "log_every": 3}, "")
    assert digest(base.identity()) == digest(faster.identity())
