"""Both places that cut views, through the loader and a training."""

import csv

import numpy as np
import pytest
import torch
from PIL import Image
from timm.models.vision_transformer import VisionTransformer

from neco.backbones.backbone import Backbone
from neco.config import Train
from neco.config.base import validated
from neco.data.dataset import Dataset, Item
from neco.training import train


def small(views: str, workers: int) -> Train:
    values = {
        "steps": 3, "batch_size": 3, "workers": workers, "log_every": 1, "views": views,
        "crops": {"global_size": 32, "local_size": 16, "local_count": 2},
        "head": {"hidden": 16, "output": 8},
        "loss": {
            "aligned_size": 3, "references": {"count": 9},
            # Gentle: a loss of steepness 100 jumps by percents where two patches are nearly tied,
            # and the two places differ by the rounding of a crop to whole levels.
            "sorting": {
                "implementation": "torch", "student_steepness": 10, "teacher_steepness": 10
            },
        },
    }  # fmt: skip
    return validated(Train, values, "test")


@pytest.fixture
def photos(tmp_path) -> Dataset:
    rng = np.random.default_rng(0)
    items = []
    for number, size in enumerate([(80, 60), (60, 80), (50, 50), (90, 45), (80, 60)]):
        blocks = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        path = tmp_path / f"{number}.png"
        Image.fromarray(blocks).resize(size).save(path)
        items.append(Item(str(number), path, None, "train"))
    return Dataset("photos", tmp_path, "train", [], items)


def test_a_training_is_the_same_wherever_its_crops_are_cut(photos, tmp_path):
    losses = []
    for views, workers in (("cpu", 0), ("device", 0), ("device", 1)):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = VisionTransformer(
                img_size=32, patch_size=8, embed_dim=16, depth=2, num_heads=2, num_classes=0,
                dynamic_img_size=True,
            )  # fmt: skip
        folder = tmp_path / f"{views}-{workers}"
        train(Backbone(network, 8, 16), photos, small(views, workers), folder)
        with (folder / "metrics.csv").open(newline="") as file:
            losses.append([float(row["loss"]) for row in csv.DictReader(file)])
    assert losses[1] == losses[2]
    assert losses[1] == pytest.approx(losses[0], rel=2e-3)
