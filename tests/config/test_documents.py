"""The documents of all settings: they do not drift, and every setting is explained."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
import yaml

from neco.config import Evaluation, Project, Train
from neco.config.base import Settings
from neco.config.datasets import DatasetSplits, Scenes
from neco.config.documents import defaults_document, schema_document
from neco.config.folder import Folder
from neco.config.packing import Packing
from neco.config.pretraining import Pretraining
from neco.config.runs import Run

CONFIGS = Path(__file__).parents[2] / "config"


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


def test_the_default_file_shows_the_keys_of_what_is_empty():
    models = {"scenes": Scenes, "datasets": DatasetSplits, "runs": Run, "evaluations": Evaluation}
    for name, model in models.items():
        shown = rf"^{name}: .*\n# .* these keys:\n((?:#   .*\n)+)"
        found = re.search(shown, defaults_document(), re.MULTILINE)
        values = yaml.safe_load(re.sub("^#", " ", found[1], flags=re.MULTILINE))
        assert list(values) == list(model.model_fields)
        for key, field in model.model_fields.items():
            assert values[key] == (None if field.is_required() else field.default)


def test_the_default_file_is_the_defaults():
    values = yaml.safe_load(defaults_document())
    assert Train.model_validate(values.pop("train")) == Train()
    assert Project.model_validate(values) == Project()
    assert json.loads(schema_document())["additionalProperties"] is False
