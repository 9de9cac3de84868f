"""Twenty steps that a refactor must reproduce: their losses are kept in golden.json.

Renew, only where a change of the numbers is meant: python tests/training/test_golden.py
"""

import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from timm.models.vision_transformer import VisionTransformer

from neco.backbones.backbone import Backbone
from neco.config import Train
from neco.config.base import merged, validated
from neco.config.training import PRESETS, with_preset
from neco.training.step import Training
from neco.views import Views

GOLDEN = Path(__file__).with_name("golden.json")
STEPS = 20
SAME = 2e-4
"""Relative: other CPUs add up in another order, and a training amplifies that."""
BF16_BAND = 0.05
"""Of one step; the mean over the steps stays within a third of it."""
COMPILED_BAND = 0.005
SETTINGS = {
    "steps": STEPS,
    "batch_size": 4,
    "crops": {"global_size": 48, "local_size": 24, "local_count": 2},
    "head": {"hidden": 32, "output": 16},
    "loss": {"references": {"count": 16}, "sorting": {"implementation": "torch"}},
    "optimiser": {"backbone_learning_rate": 1e-3, "head_learning_rate": 1e-3},
}


def batch(step: int) -> Views:
    """Return smooth coloured crops and boxes that overlap, drawn without any of the project."""
    rng = np.random.default_rng([7, step])

    def crops(count: int, side: int) -> torch.Tensor:
        coarse = torch.from_numpy(rng.random((4 * count, 3, 4, 4), dtype=np.float32))
        fine = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bilinear")
        return (fine * 255).to(torch.uint8).unflatten(0, (4, count))

    corners = torch.from_numpy(rng.uniform(0, 20, (4, 4, 2)))
    sides = torch.from_numpy(rng.uniform(60, 80, (4, 4, 2)))
    boxes = torch.cat([corners, corners + sides], dim=-1).float()
    return Views(crops(2, 48), crops(2, 24), boxes)


def drawn_by_numpy() -> Any:
    """Return the function that fills heads: PyTorch's trunc_normal_ draws as its version does."""
    rng = np.random.default_rng(0)

    def fill(weight: torch.Tensor, std: float) -> None:
        drawn = rng.normal(0, std, weight.shape).clip(-2 * std, 2 * std)
        weight.data.copy_(torch.from_numpy(drawn))

    return fill


def losses(**changes: object) -> list[float]:
    """Return the losses of twenty steps on one thread."""
    values = with_preset(merged(SETTINGS, dict(changes)), "test")
    settings = validated(Train, values, "test")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = VisionTransformer(
                img_size=48, patch_size=8, embed_dim=32, depth=2, num_heads=2, num_classes=0,
                dynamic_img_size=True,
            )  # fmt: skip
            fabric = Fabric(accelerator="cpu", devices=1, precision=settings.precision)
            with patch.object(torch.nn.init, "trunc_normal_", drawn_by_numpy()):
                training = Training(Backbone(network, 8, 32), settings, STEPS, fabric)
            return [training.step(batch(step), step).loss.item() for step in range(STEPS)]
    finally:
        torch.set_num_threads(threads)


def golden(preset: str = "paper") -> list[float]:
    return json.loads(GOLDEN.read_text())[preset]


@pytest.mark.parametrize("preset", PRESETS)
def test_the_losses_are_the_golden_ones(preset):
    assert losses(preset=preset) == pytest.approx(golden(preset), rel=SAME)


def test_bfloat16_stays_in_a_band_around_them():
    found = losses(precision="bf16-mixed")
    assert found == pytest.approx(golden(), rel=BF16_BAND)
    assert np.mean(found) == pytest.approx(np.mean(golden()), rel=BF16_BAND / 3)


@pytest.mark.slow
def test_compiled_blocks_stay_in_a_band_around_them():
    assert losses(compile=True) == pytest.approx(golden(), rel=COMPILED_BAND)


def test_a_second_run_repeats_them_bit_for_bit():
    assert losses(steps=5)[:5] == losses(steps=5)[:5]


def test_another_seed_leaves_it():
    assert losses(seed=1) != pytest.approx(golden(), rel=SAME)


if __name__ == "__main__":
    found = {preset: [round(loss, 6) for loss in losses(preset=preset)] for preset in PRESETS}
    GOLDEN.write_text(json.dumps(found, indent=1) + "\n")
