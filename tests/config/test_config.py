"""Configuration: the unknown is refused by name, what ships parses, documents do not drift."""

import json
from pathlib import Path

import pytest
import yaml

from neco.config import PRESETS, Project, Train, digest, load_project
from neco.config.base import merged, validated
from neco.config.documents import defaults_document, schema_document
from neco.config.evaluation import UNSUPERVISED_PRESETS, Unsupervised
from neco.errors import UserError
from neco.report.reported import read_reported

CONFIGS = Path(__file__).parents[2] / "config"
SHIPPED = ["config.yaml", "demo.yaml", "smoke.yaml", "subset.yaml"]


def refused(values: dict, match: str) -> None:
    with pytest.raises(UserError, match=match) as caught:
        validated(Project, values, "my.yaml")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("my.yaml: ")


def test_unknown_keys_are_named_with_the_nearest():
    refused({"run": {}}, "unknown key 'run'; did you mean 'runs'")
    refused({"in_context": {"neighbors": 3}}, "'in_context.neighbors'; did you mean 'neighbours'")
    refused({"runs": {"a": {"backbon": "x"}}}, r"'runs.a.backbon'; did you mean 'backbone'")
    refused({"evaluations": [{"protocol": "linear", "dataset": ["x"]}]}, "did you mean 'datasets'")
    refused(
        {"runs": {"a": {"backbone": "x", "train": {"loss": {"two_wy": 1}}}}},
        "runs.a.train: unknown key 'loss.two_wy'; did you mean 'two_way'",
    )
    refused({"report": {"tables": ["11"]}}, r"report\.tables\.0")


def test_impossible_values_are_named():
    refused(
        {"in_context": {"neighbours": 0}}, "in_context.neighbours: .*greater than or equal to 1"
    )
    refused({"runs": {"a": {"backbone": "x", "train": {"preset": "papr"}}}}, "did you mean 'paper'")


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


def test_included_files_lie_below(tmp_path):
    (tmp_path / "below.yaml").write_text("runs: {a: {backbone: demo-vit, seeds: [1]}}\nname: low")
    (tmp_path / "my.yaml").write_text("include: [below.yaml]\nruns: {a: {seeds: [2]}}")
    project = load_project(tmp_path / "my.yaml")
    assert project.name == "low" and project.include == []
    assert project.runs["a"].seeds == [2] and project.runs["a"].backbone == "demo-vit"
    (tmp_path / "my.yaml").write_text("include: [nothing.yaml]")
    with pytest.raises(UserError, match=r"nothing\.yaml: no such configuration"):
        load_project(tmp_path / "my.yaml")


def test_every_ablation_row_of_the_paper_has_a_run():
    project = load_project(CONFIGS / "config.yaml")
    filled = {cell for run in project.runs.values() for cell in run.ablations}
    names = {(row.table.removeprefix("table"), row.setting) for row in read_reported()}
    rows = {(table, setting) for table, setting in names if table[:-1] in ("5", "9")}
    assert filled == {f"{table}/{setting}" for table, setting in rows}


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


@pytest.mark.parametrize("name", SHIPPED)
def test_what_ships_parses(name):
    project = load_project(CONFIGS / name)
    assert project.models()
    for run in project.runs:
        assert project.training(run, seed=3).seed == 3


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


def test_overrides_are_laid_in_order():
    project = validated(
        Project,
        {
            "train": {"preset": "reference", "epochs": 3, "optimiser": {"weight_decay": 0.1}},
            "runs": {"a": {"backbone": "x", "train": {"epochs": 5}}},
        },
        "test",
    )
    settings = project.training("a", seed=2)
    assert settings.epochs == 5 and settings.seed == 2
    assert settings.optimiser.weight_decay == 0.1 and settings.optimiser.name == "adamw"
    assert settings.loss.order == "similarity" and settings.loss.sorting.network == "bitonic"


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_hold_differences_only(preset):
    def leaves(values, prefix=()):
        for key, value in values.items():
            if isinstance(value, dict):
                yield from leaves(value, (*prefix, key))
            else:
                yield (*prefix, key), value

    default = Train().model_dump()
    for path, value in leaves(PRESETS[preset]):
        known = default
        for key in path:
            known = known[key]
        assert known != value, f"{preset}: {'.'.join(path)} says the default"


@pytest.mark.parametrize("preset", UNSUPERVISED_PRESETS)
def test_presets_of_unsupervised_segmentation_hold_differences_only(preset):
    default = Unsupervised().model_dump()
    for key, value in UNSUPERVISED_PRESETS[preset].items():
        assert default[key] != value, f"{preset}: {key} says the default"


def test_a_preset_named_later_replaces_the_earlier_one(tmp_path):
    project = validated(
        Project, {"unsupervised": {"preset": "reference", "attention_mass": 0.5}}, "test"
    )
    assert project.unsupervised.reported == "mean" and project.unsupervised.trials == 300
    assert project.unsupervised.attention_mass == 0.5
    written = tmp_path / "project.yaml"  # whole, as a workflow writes it
    written.write_text(yaml.safe_dump(project.model_dump(mode="json")))
    assert load_project(written).unsupervised == project.unsupervised
    for found in (
        load_project(written, {"unsupervised": {"preset": "paper"}}).unsupervised,
        project.protocol_settings("unsupervised", {"preset": "paper"}),
    ):
        assert found == Unsupervised()
    found = load_project(written, {"unsupervised": {"preset": "reference", "trials": 3}})
    assert found.unsupervised.trials == 3 and found.unsupervised.attention_mass == 0.65


def test_digest_sees_every_setting_but_not_speed():
    base = Train()
    assert digest(base) != digest(validated(Train, {"loss": {"nearest": 4}}, ""))
    faster = validated(Train, {"workers": 1, "log_every": 3}, "")
    assert digest(base.identity()) == digest(faster.identity())


def test_merging_leaves_both_alone():
    base, over = {"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}
    assert merged(base, over) == {"a": {"b": 3, "c": 2}}
    assert base == {"a": {"b": 1, "c": 2}} and over == {"a": {"b": 3}}


def test_documents_are_the_shipped_files():
    renew = "; renew with: make documents"
    assert (CONFIGS / "defaults.yaml").read_text() == defaults_document(), renew
    assert (CONFIGS / "schema.json").read_text() == schema_document(), renew


def test_the_default_file_is_the_defaults():
    values = yaml.safe_load(defaults_document())
    assert Train.model_validate(values.pop("train")) == Train()
    assert Project.model_validate(values) == Project()
    assert json.loads(schema_document())["additionalProperties"] is False


def test_settings_of_evaluations_are_validated_once_and_stay_the_same():
    """A workflow asks for them for every job; they are found by model, dataset and protocol."""
    project = load_project(CONFIGS / "config.yaml")
    for (protocol, dataset, model), evaluation in project.evaluated().items():
        found = project.settings_for(protocol, dataset, model)
        assert found is project.settings_for(protocol, dataset, model)
        assert found == project.protocol_settings(protocol, evaluation.settings)
    assert project == load_project(CONFIGS / "config.yaml")
    assert project.settings_for("linear", "nowhere") == project.linear


def test_what_is_asked_for_cannot_be_changed_by_who_asks():
    project = load_project(CONFIGS / "config.yaml")
    project.evaluated().clear()
    assert project.evaluated()
