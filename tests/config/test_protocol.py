"""The presets of protocols and what lies over them."""

from typing import get_args

import pytest
import yaml

from neco.config import PROTOCOLS, Project, load_project
from neco.config.base import validated
from neco.config.in_context import InContext
from neco.config.protocol import laid
from neco.config.segmenter import Segmenter
from neco.config.unsupervised import Unsupervised
from tests.config.refusal import refused


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
