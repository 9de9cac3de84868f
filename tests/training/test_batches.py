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
from neco.training.batches import StepSampler
from tests.training import tiny


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


def test_every_epoch_sees_every_image_once_and_a_resumed_order_is_the_same():
    settings = tiny.small(batch_size=2, steps=None, epochs=3)
    keys = [key for batch in StepSampler(8, settings, 0) for key in batch]
    for epoch in range(3):
        assert sorted(image for number, image in keys if number == epoch) == list(range(8))
    assert [key for batch in StepSampler(8, settings, 5) for key in batch] == keys[10:]


def test_processes_share_a_batch():
    settings = tiny.small(batch_size=4, steps=2)
    whole = list(StepSampler(8, settings, 0))
    halves = [list(StepSampler(8, settings, 0, rank, 2)) for rank in range(2)]
    assert [sorted(a + b) for a, b in zip(*halves, strict=True)] == [sorted(b) for b in whole]
