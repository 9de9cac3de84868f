"""What is empty by default: config/defaults.yaml shows its keys in comments."""

import re

import yaml

from neco.config import Evaluation
from neco.config.datasets import DatasetSplits, Scenes
from neco.config.documents import defaults_document
from neco.config.runs import Run


def test_the_default_file_shows_the_keys_of_what_is_empty():
    models = {"scenes": Scenes, "datasets": DatasetSplits, "runs": Run, "evaluations": Evaluation}
    for name, model in models.items():
        shown = rf"^{name}: .*\n# .* these keys:\n((?:#   .*\n)+)"
        found = re.search(shown, defaults_document(), re.MULTILINE)
        values = yaml.safe_load(re.sub("^#", " ", found[1], flags=re.MULTILINE))
        assert list(values) == list(model.model_fields)
        for key, field in model.model_fields.items():
            assert values[key] == (None if field.is_required() else field.default)
