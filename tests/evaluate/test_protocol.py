"""Every record is complete: what it names exists, and what the command gives is understood."""

import inspect
import subprocess
import sys

import pytest

from neco.config import PROTOCOLS as SETTINGS
from neco.config import Project
from neco.config.datasets import DatasetSplits
from neco.config.resources import Resources
from neco.errors import UserError
from neco.evaluate.protocol import PROTOCOLS, Inputs


def inputs_of(record) -> list[Inputs]:
    """Return what the record's presets ask for, on a dataset with splits of other names."""
    splits = DatasetSplits(train="most", val="rest")
    made = [record.settings(preset=preset) for preset in record.settings.presets]
    made += [
        settings.model_copy(update={"augment": not settings.augment})
        for settings in made
        if hasattr(settings, "augment")
    ]
    return [record.inputs(settings, splits) for settings in made]


def test_every_protocol_of_a_project_has_a_record_and_the_other_way_round():
    assert {name: record.settings for name, record in PROTOCOLS.items()} == SETTINGS
    assert all(isinstance(getattr(Project(), r.rule), r.settings) for r in PROTOCOLS.values())


@pytest.mark.parametrize("name", PROTOCOLS)
def test_what_a_record_names_exists(name):
    record = PROTOCOLS[name]
    assert record.title and isinstance(record.headline(record.settings(), 21), str)
    assert Resources().memory_of(record.kind, 1) > 0
    fields = record.settings.model_fields
    assert record.not_scale <= fields.keys() and record.searched <= fields.keys()
    assert record.no_difference({"trials": 1}) == record.no_difference({}) | record.searched
    for inputs in inputs_of(record):
        assert inputs.splits["val"] == "rest"
        assert {*inputs.features, *inputs.attention} <= inputs.splits.keys() <= {"train", "val"}
        assert inputs.features or inputs.backbone


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_function_takes_what_the_command_gives_and_returns_metrics(name):
    record = PROTOCOLS[name]
    try:
        signature = inspect.signature(record.evaluate())
    except UserError as error:
        pytest.skip(str(error))
    assert getattr(signature.return_annotation, "__name__", "") == "Metrics"
    for inputs in inputs_of(record):
        given = {"settings", *record.options, *(f"{part}_dataset" for part in inputs.splits)}
        given |= set(inputs.splits) if inputs.features else set()
        given |= {"attention"} if inputs.attention else set()
        if inputs.backbone:
            given |= {"backbone", "normalisation", "extraction"}
            given |= set() if inputs.features else {"about"}
        signature.bind(**dict.fromkeys(given))


def test_records_are_read_without_torch():
    code = "import sys, neco.evaluate.protocol; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
