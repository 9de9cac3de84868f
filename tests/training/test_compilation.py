"""Blocks are compiled into few graphs, however many they are and whatever each of them drops."""

from functools import partial
from unittest.mock import patch

import pytest
import torch
from lightning_fabric import Fabric
from timm.models.vision_transformer import VisionTransformer

import neco.training.step
from neco.backbones.backbone import Backbone
from neco.training.compilation import GRAPHS, DropPath, compile_blocks
from neco.training.step import Training
from tests.training.test_golden import batch
from tests.training.test_processes import settings_of


def graphs(**changes) -> int:
    """Return how many graphs two steps of a network of six blocks are compiled into."""
    made = []

    def noting(graph, examples):
        made.append(graph)
        return graph.forward

    torch._dynamo.reset()
    network = VisionTransformer(
        img_size=32, patch_size=8, embed_dim=16, depth=6, num_heads=2, num_classes=0,
        dynamic_img_size=True, drop_path_rate=0.1,
    )  # fmt: skip
    settings = settings_of("teacher", compile=True, drop_path=0.1, **changes)
    noted = partial(compile_blocks, backend=noting)
    with patch.object(neco.training.step, "compile_blocks", noted):
        training = Training(
            Backbone(network, 8, 16), settings, 3, Fabric(accelerator="cpu", devices=1)
        )
        for step in range(2):
            training.step(batch(step), step)
    torch._dynamo.reset()
    return len(made)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 3),  # the student's global and local crops, the teacher's global ones
        ({"trainable_blocks": 3}, 7),  # frozen blocks, and the first one that is not
    ],
)
def test_blocks_share_graphs(changes, expected):
    assert graphs(**changes) == expected <= GRAPHS


def test_drop_path_drops_whole_images_at_its_rate():
    torch.manual_seed(0)
    drop = DropPath(0.25, torch.device("cpu")).train()
    passed = drop(torch.ones(4000, 2, 3, dtype=torch.bfloat16))
    assert passed.dtype == torch.bfloat16 and passed[:, :1, :1].expand_as(passed).equal(passed)
    values, counts = passed[:, 0, 0].float().unique(return_counts=True)
    torch.testing.assert_close(values, torch.tensor([0.0, 4 / 3]), rtol=0.01, atol=0)
    assert abs(counts[0] / 4000 - 0.25) < 0.03
    assert DropPath(0.0, torch.device("cpu")).train()(torch.ones(500, 2)).eq(1).all()
    assert drop.eval()(torch.ones(500, 2)).eq(1).all()
