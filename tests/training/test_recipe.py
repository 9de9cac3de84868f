"""The recipe keeps weights and targets alive, and the paper's letter with Adam does not.

A hundred steps on a few generated scenes, with as much learning rate in sum as the paper's 46,200
steps at 1e-6 on DINOv2, so that a decay which eats the weights has the time to do so.
"""

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from neco.backbones.load import load_backbone
from neco.config import Train
from neco.config.base import validated
from neco.config.training import with_preset
from neco.data.dataset import Dataset, Item
from neco.data.scenes.scene import render_scene
from neco.training import train

STEPS = 100
KEPT = 0.99
"""Least share of its start that the backbone's median weight keeps."""
INFORMATION, HEAD_RANK = 0.1, 2.0
"""Bounds of the mean over the last fifty steps; as `train.watch` has them."""
ENOUGH_RATE = 46_200 * 0.5 * 1e-6 / (STEPS * 0.5)
"""The backbone's learning rate whose cosine over STEPS has the sum of the paper's."""


class Outcome(NamedTuple):
    """What a training left: share of the backbone's median weight, and its targets' last state."""

    weight: float
    information: float
    head_rank: float

    def healthy(self) -> bool:
        return self.weight > KEPT and self.information > INFORMATION and self.head_rank > HEAD_RANK


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> Dataset:
    folder = tmp_path_factory.mktemp("scenes")
    items = []
    for number in range(16):
        path = folder / f"{number}.png"
        Image.fromarray(render_scene(3, number, 96, 128).image).save(path)
        items.append(Item(str(number), path, None, "train"))
    return Dataset("scenes", folder, "train", [], items)


def outcome(preset: str, scenes: Dataset, folder: Path) -> Outcome:
    """Return what STEPS steps of a preset leave of the demo's backbone."""
    values = {
        "preset": preset, "batch_size": 6, "steps": STEPS, "workers": 0, "log_every": 10,
        "crops": {"global_size": 64, "local_size": 24, "local_count": 2},
        "head": {"hidden": 128, "output": 32},
        "optimiser": {"backbone_learning_rate": ENOUGH_RATE, "head_learning_rate": 1e-3},
    }  # fmt: skip
    settings = validated(Train, with_preset(values, "test"), "test")
    backbone = load_backbone("demo-vit", None, drop_path=settings.drop_path)
    before = median_weight(backbone.model.state_dict())
    after = median_weight(load_file(train(backbone, scenes, settings, folder)))
    with (folder / "metrics.csv").open(newline="") as file:
        last = list(csv.DictReader(file))[-5:]
    means = {name: np.mean([float(row[name]) for row in last]) for name in last[0]}
    return Outcome(after / before, float(means["information"]), float(means["head_rank"]))


def median_weight(state: dict[str, torch.Tensor]) -> float:
    """Return the median magnitude of the blocks' matrices."""
    matrices = [value.abs().flatten() for name, value in state.items()
                if name.startswith("blocks.") and value.ndim == 2]  # fmt: skip
    return float(torch.cat(matrices).median())


def test_the_paper_preset_keeps_weights_and_targets(scenes, tmp_path):
    found = outcome("paper", scenes, tmp_path)
    assert found.healthy(), found


def test_the_paper_s_letter_with_adam_loses_both(scenes, tmp_path):
    found = outcome("text", scenes, tmp_path)
    assert found.weight < 0.5 and found.information < INFORMATION, found
