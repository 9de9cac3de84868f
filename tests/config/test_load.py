"""Files of a configuration: those that they include, broken ones, and the digest of settings."""

from pathlib import Path

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


def test_a_file_that_includes_itself_is_one_line(tmp_path):
    (tmp_path / "a.yaml").write_text("include: [b.yaml]")
    (tmp_path / "b.yaml").write_text("include: [a.yaml]")
    with pytest.raises(UserError, match=r"b\.yaml includes a\.yaml includes b\.yaml; break"):
        load_project(tmp_path / "a.yaml")


def test_each_included_file_lies_beside_or_among_those_that_ship(tmp_path, monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2])
    (tmp_path / "mine.yaml").write_text("include: [own.yaml, ablations.yaml]")
    (tmp_path / "own.yaml").write_text("name: own")
    project = load_project(tmp_path / "mine.yaml")
    assert project.name == "own" and "9b-4" in project.runs


def test_what_an_included_file_of_another_folder_includes_lies_beside_it(tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "mine.yaml").write_text("include: [shared/mine.yaml]")
    (tmp_path / "shared" / "mine.yaml").write_text("include: [base.yaml]")
    (tmp_path / "shared" / "base.yaml").write_text("name: base")
    assert load_project(tmp_path / "mine.yaml").name == "base"


@pytest.mark.parametrize(
    "text", ["a: 1\nb: 2\na: 3", "runs: {x: {}, x: {}}", "a: {b: 1, b: 1}", "- {b: 1, b: 1}"]
)
def test_a_key_that_stands_twice_is_refused(tmp_path, text):
    """YAML would take the last one, and what the first one says would be lost."""
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(UserError, match=r"the key '\w' stands twice; keep one.* line [13]"):
        load_project(tmp_path / "a.yaml")


def test_merged_mappings_are_no_keys_that_stand_twice(tmp_path):
    (tmp_path / "a.yaml").write_text(
        "data: d\nscenes: &few {train: 1, val: 2}\nlinear: {<<: {epochs: 3}, epochs: 4}\n"
    )
    assert load_project(tmp_path / "a.yaml").linear.epochs == 4


def test_a_merged_mapping_may_be_merged_again_higher_up(tmp_path):
    (tmp_path / "a.yaml").write_text(
        "runs: {one: {backbone: demo-vit, train: &deep {<<: &low {steps: 9, batch_size: 4}, "
        "batch_size: 8}}}\ntrain: {<<: *deep, steps: 5}\n"
    )
    project = load_project(tmp_path / "a.yaml")
    assert project.train == {"steps": 5, "batch_size": 8}
    assert project.runs["one"].train == {"steps": 9, "batch_size": 8}


def test_json_with_tabs_is_read(tmp_path):
    (tmp_path / "a.json").write_text('{\n\t"name": "tabs",\t"linear": {"epochs": 3}\n}\n')
    project = load_project(tmp_path / "a.json")
    assert (project.name, project.linear.epochs) == ("tabs", 3)


def test_digest_sees_every_setting_but_not_speed():
    base = Train()
    assert digest(base) != digest(validated(Train, {"loss": {"nearest": 4}}, ""))
    faster = validated(Train, {"workers": 1, "log_every": 3}, "")
    assert digest(base.identity()) == digest(faster.identity())
