"""A training of a tiny network in four steps, and what it wrote."""

import csv
import os
import signal
from pathlib import Path

import pytest
import torch
from timm.models.vision_transformer import VisionTransformer

from neco.backbones.backbone import Backbone
from neco.config import Train
from neco.config.base import merged, validated
from neco.errors import StoppedError
from neco.training import train

SMALL = {
    "steps": 4,
    "batch_size": 3,
    "workers": 0,
    "log_every": 1,
    "checkpoint_every": 2,
    "drop_path": 0.1,
    "crops": {"global_size": 32, "local_size": 16, "local_count": 2},
    "head": {"hidden": 16, "output": 8},
    "loss": {"aligned_size": 3, "references": {"count": 9}, "sorting": {"implementation": "torch"}},
}


def tiny_backbone(drop_path: float = 0.1) -> Backbone:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = VisionTransformer(
            img_size=32, patch_size=8, embed_dim=16, depth=2, num_heads=2, num_classes=0,
            dynamic_img_size=True, drop_path_rate=drop_path,
        )  # fmt: skip
    return Backbone(network, 8, 16)


def small(**changes) -> Train:
    return validated(Train, merged(SMALL, changes), "test")


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def without_times(folder: Path) -> list[dict[str, str]]:
    timed = ("images_per_second", "data_wait", "seconds")
    return [{k: v for k, v in row.items() if k not in timed} for row in rows(folder)]


def stopped_after(photos, folder, monkeypatch, step, **changes):
    """Train until a SIGTERM that comes when `step` is told."""
    from neco.training.metrics import MetricsWriter

    write = MetricsWriter.write

    def interrupt(self, row):
        write(self, row)
        if row.step == step:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patched:
        patched.setattr(MetricsWriter, "write", interrupt)
        with pytest.raises(StoppedError, match="stopped by SIGTERM") as told:
            train(tiny_backbone(), photos, small(**changes), folder)
    assert told.value.status == 143
