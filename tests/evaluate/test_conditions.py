import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from neco.config.in_context import InContext
from neco.config.linear import Linear
from neco.config.load import digest
from neco.evaluate import conditions
from neco.evaluate.conditions import git_commit, packages, state_conditions
from neco.precision import device_name


def test_versions_are_those_installed():
    found = packages()
    assert found["torch"] == version("torch")
    assert found["python"] == sys.version.split()[0]
    assert "scann" not in found or version("scann")


def test_commit_is_that_of_the_source_or_none(monkeypatch, tmp_path):
    here = Path(conditions.__file__).parent
    command = ["git", "-C", str(here), "rev-parse", "HEAD"]
    head = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    found = git_commit()
    assert (found is None) == (not head)
    if found:
        assert head.startswith(found.removesuffix("-dirty"))
    monkeypatch.setattr(conditions, "__file__", str(tmp_path / "conditions.py"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_commit() is None


def test_conditions_gather_what_features_datasets_and_settings_state(coloured):
    train, val = coloured
    about = {"image_size": 40, "grid": [5, 5], "weights_digest": "w", "digest": "f"}
    settings = InContext(absent="skip")
    found = state_conditions(
        {**about, "seconds": 2.0},
        val,
        settings,
        train={**about, "seconds": 3.5},
        train_dataset=train,
        device=torch.device("cpu"),
        began=time.perf_counter() - 1.0,
        mask_resolution="full",
        seeds=[0],
    )
    assert (found.train_images, found.val_images) == (12, 6)
    assert (found.weights_digest, found.features_digest) == ("w", "f")
    assert found.feature_seconds == 5.5
    assert found.absent_classes == "skip"
    assert found.wall_seconds >= 1.0
    assert found.config_digest == digest(settings) != digest(Linear())


@pytest.mark.parametrize("device", ["cpu", torch.device("cpu")])
def test_a_cpu_is_named_with_its_threads(device):
    assert device_name(device).endswith(f" ({torch.get_num_threads()} threads)")
