"""The presets of trainings and what lies over them."""

import pytest

from neco.config import PRESETS, Project, Train
from neco.config.base import validated


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
