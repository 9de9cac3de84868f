"""Configuration: the unknown is refused by name, what ships parses, documents do not drift."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
import yaml

from neco.config import PRESETS, PROTOCOLS, Evaluation, Project, Train, digest, load_project
from neco.config.base import Settings, merged, validated
from neco.config.documents import defaults_document, schema_document
from neco.config.evaluation import InContext, Segmenter, Unsupervised
from neco.config.folder import Folder
from neco.config.packing import Packing
from neco.config.pretraining import Pretraining
from neco.config.protocol import laid
from neco.errors import UserError
from neco.paper.reported import read_reported

CONFIGS = Path(__file__).parents[2] / "config"
SHIPPED = ["config.yaml", "demo.yaml", "quick-demo.yaml", "smoke.yaml", "subset.yaml"]


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
    refused({"in_context": {"seeds": []}}, "in_context.seeds: .*at least 1 item")
    refused({"in_context": {"fractions": [0]}}, "in_context.fractions.0: .*equal to 1")
    refused({"consistency": {"crop_scale": [1.0, 0.25]}}, "1.0 is more than 0.25; the smallest")
    refused({"consistency": {"crop_scale": [0.5, 5]}}, "crop_scale.1: .*equal to 1")
    refused({"in_context": {"temperature": float("inf")}}, "temperature: .*finite number")
    refused({"unsupervised": {"search_weight": [0.01, 0.1, 0]}}, "search_weight.2: .*than 0")
    refused({"unsupervised": {"search_clusters": [9, 4, 1]}}, "9 is more than 4")
    refused({"segmenter": {"learning_rates": []}}, "learning_rates: .*at least 1 item")
    wrong = {"a": {"backbone": "x", "train": {"seed": -1}}}
    refused({"runs": wrong}, "seed: .*greater than or equal to 0")
    refused({"overcluster": {"seeds": [2**31]}}, "overcluster.seeds.0: .*less than 2147483648")


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


def test_the_paper_is_run_without_registers_and_checked_on_released_students():
    project = load_project(CONFIGS / "config.yaml")
    starts = {run.backbone for run in project.runs.values()}
    assert {start for start in starts if "dinov2" in start} == {
        "dinov2xr-vits14",
        "dinov2xr-vitb14",
    }
    asked = {}
    for protocol, dataset, model in project.evaluated():
        asked.setdefault(model, set()).add((protocol, dataset))
    with_registers = [model for model in asked if "dinov2r-" in model]
    assert not any(project.models()[model][1] for model in with_registers)
    headline = {
        ("overcluster", "pascal-voc"), ("overcluster", "coco-things"),
        ("linear", "pascal-voc"), ("linear", "coco-things"),
        ("linear", "coco-stuff"), ("linear", "ade20k"),
        ("in-context", "pascal-voc"), ("in-context", "ade20k"),
    }  # fmt: skip
    for size in ("vits14", "vitb14"):
        for family in ("dinov2xr", "dinov2r"):
            assert asked[f"neco-{family}-{size}"] == headline <= asked[f"{family}-{size}"]
    for family in ("dino", "timet", "leopart"):
        table_3 = {key for key in headline if key[0] != "in-context"} - {
            ("linear", "coco-stuff"), ("linear", "ade20k"),
        }  # fmt: skip
        assert asked[f"neco-{family}-vits16"] == table_3 <= asked[f"{family}-vits16"]


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
            "train": {"preset": "released", "epochs": 3, "optimiser": {"weight_decay": 0.1}},
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


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_presets_of_protocols_hold_differences_only(protocol):
    model = PROTOCOLS[protocol]
    offered = get_args(model.model_fields["preset"].annotation)
    released = set() if protocol == "consistency" else {"released"}  # nobody released any
    assert set(model.presets) == set(offered) >= {"paper"} | released
    assert not model.presets["paper"].settings, "the defaults are the paper's"
    default = model().model_dump()
    for name, preset in model.presets.items():
        for key, value in preset.settings.items():
            inside = {**default[key], **value} if isinstance(value, dict) else value
            assert default[key] != inside, f"{name}: {key} says the default"
        general = model(preset=name).model_dump()
        for dataset, values in preset.on.items():
            for key, value in values.items():
                assert general[key] != value, f"{name} on {dataset}: {key} says what is so anyway"
            assert laid(model, [{"preset": name}], dataset, "").model_dump() == general | values


def test_layers_lie_in_order_whatever_layer_names_the_preset():
    datasets = {"pascal-voc": {}, "ade20k": {}}
    asked = {"image_size": 224, "augmentation": {"jitter": 0.2}}
    project = validated(Project, {"datasets": datasets, "in_context": asked}, "test")
    assert project.settings_for("in-context", "pascal-voc").augmentation.epochs == 0
    found = project.protocol_settings(
        "in-context", "pascal-voc", {"preset": "hummingbird", "subsets": "balanced"}
    )
    assert found.image_size == 224, "the project's own values lie over any preset"
    assert (found.augmentation.epochs, found.augmentation.jitter) == (2, 0.2)
    assert (found.matching, found.subsets) == ("hungarian", "balanced")
    assert found.ignored_class == "left out"
    ade20k = project.protocol_settings("in-context", "ade20k", {"preset": "hummingbird"})
    assert ade20k.ignored_class == "zero"
    assert InContext(preset="hummingbird", image_size=224) == validated(
        Project, {"in_context": {"preset": "hummingbird", "image_size": 224}}, ""
    ).settings_for("in-context", "pascal-voc")
    context = project.protocol_settings("segmenter", "pascal-context", {"preset": "cribo"})
    assert (context.image_scale, context.cut_size, context.iterations) == ((520, 520), 480, 80_000)
    assert Segmenter().colours == Segmenter(preset="cribo").colours == "cribo"
    refused({"linear": {"preset": "relased"}}, "linear.preset: Input should be 'paper' or")


def test_a_preset_named_later_still_has_its_effect(tmp_path):
    project = validated(
        Project, {"unsupervised": {"preset": "released", "attention_mass": 0.5}}, "test"
    )
    assert project.unsupervised.reported == "mean" and project.unsupervised.trials == 300
    written = tmp_path / "project.yaml"  # as a workflow writes it
    written.write_text(yaml.safe_dump(project.written()))
    assert load_project(written) == project
    for found in (
        load_project(written, {"unsupervised": {"preset": "paper"}}).unsupervised,
        project.protocol_settings("unsupervised", "pascal-voc", {"preset": "paper"}),
    ):
        assert found == Unsupervised(attention_mass=0.5)
    found = load_project(written, {"unsupervised": {"preset": "released", "trials": 3}})
    assert found.unsupervised.trials == 3 and found.unsupervised.attention_mass == 0.5


def test_a_step_of_the_learning_rate_that_never_comes_is_refused():
    refused({"linear": {"decay_epochs": 20}}, "linear: decay_epochs: a step after 20 of 20 epochs")
    assert validated(Project, {"linear": {"preset": "released"}}, "").linear.decay_epochs == 20


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


def documented(model: type[Settings]) -> Iterator[tuple[str, str]]:
    """Yield the name and the documentation of every setting below a group."""
    for name, field in model.model_fields.items():
        kinds = [field.annotation, *get_args(field.annotation)]
        groups = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Settings)]
        inherited = groups[0].__doc__ if groups else None
        yield f"{model.__name__}.{name}", field.description or inherited or ""
        for group in groups:
            yield from documented(group)


@pytest.mark.parametrize("model", [Project, Train, Evaluation, Folder, Packing, Pretraining])
def test_every_setting_is_documented_in_whole_sentences(model):
    for name, text in documented(model):
        assert re.match(r"[A-Z`].+\.$", text, re.DOTALL), f"{name}: {text!r}"
        assert "None" not in text, f"{name}: YAML says null"


def test_comments_of_the_default_file_fit_a_screen():
    comments = [line for line in defaults_document().splitlines() if line.lstrip().startswith("#")]
    assert max(map(len, comments)) <= 100


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
        assert found == project.protocol_settings(protocol, dataset, evaluation.settings)
    assert project == load_project(CONFIGS / "config.yaml")
    assert project.settings_for("linear", "nowhere") == project.linear
