"""What a training's first step would refuse is told before it, and nothing else is."""

import pytest
import torch
from lightning_fabric import Fabric

from neco.backbones.load import as_backbone, build_network, load_backbone
from neco.backbones.registry import backbone_spec
from neco.config import Train
from neco.config.base import merged, validated
from neco.config.training import with_preset
from neco.errors import UserError
from neco.training.check import refuse_impossible
from neco.training.step import Training
from tests.training.test_golden import batch

SMALL = {
    "batch_size": 4, "steps": 1, "precision": "32-true",
    "crops": {"global_size": 48, "local_size": 24, "local_count": 2},
    "head": {"layers": 1, "output": 4},
    "loss": {"aligned_size": 2, "references": {"count": 5},
             "sorting": {"implementation": "torch"}},
}  # fmt: skip


def settings_of(**changes) -> Train:
    return validated(Train, with_preset(merged(SMALL, changes), "train"), "train")


def references(count, aligned=2, **more):
    return {"loss": {"aligned_size": aligned, "references": {"count": count, **more}}}


# Four images; two global and two local crops make six ordered pairs; a global crop has 36 patches.
@pytest.mark.parametrize(
    ("changes", "most"),
    [
        ({"scope": "batch"}, 4 * 4),
        ({"scope": "inter"}, 3 * 4),
        ({"scope": "intra"}, 4),
        ({"scope": "batch", "per_pair": False}, 4 * 6 * 4),
        ({"scope": "batch", "source": "student"}, 4 * 2 * 36),
        ({"scope": "intra", "source": "student"}, 2 * 36),
        ({"source": "queue", "queue_per_image": 10}, 4 * 10),
        ({"source": "queue", "queue_per_image": 3}, 4 * 4),
    ],
)
def test_as_many_references_as_the_first_step_can_draw(changes, most):
    for count, fits in ((most, True), (most + 1, False)):
        settings = settings_of(**references(count, **changes))
        backbone = load_backbone("demo-vit-random", None)
        training = Training(backbone, settings, 1, Fabric(accelerator="cpu", devices=1))
        if fits:
            refuse_impossible(backbone, 4, settings)
            training.step(batch(0), 0)
            continue
        with pytest.raises(UserError, match=r"references\.count"):
            refuse_impossible(backbone, 4, settings)
        with pytest.raises(UserError, match=r"references\.count"):
            training.step(batch(0), 0)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"batch_size": 20}, "is more than the 9 images"),
        ({"accumulate": 2, "batch_size": 3}, "must be a multiple"),
        ({"trainable_blocks": 99}, "has only 6 blocks"),
        ({"loss": {"sorting": {"implementation": "triton"}}}, "cannot run here"),
    ],
)
def test_other_settings(changes, told, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    with torch.device("meta"):
        hollow = as_backbone(build_network(backbone_spec("demo-vit-random")))
    refuse_impossible(hollow, 9, settings_of())
    with pytest.raises(UserError, match=told):
        refuse_impossible(hollow, 9, settings_of(**changes))


def test_foreground_needs_a_class_token():
    with torch.device("meta"):
        hollow = as_backbone(build_network(backbone_spec("timm:vit_medium_patch16_gap_240")))
    refuse_impossible(hollow, 9, settings_of())
    with pytest.raises(UserError, match="no class token"):
        refuse_impossible(hollow, 9, settings_of(loss={"patches": "foreground"}))


def test_compiling_for_a_gpu_needs_what_triton_needs(monkeypatch):
    hollow = as_backbone(build_network(backbone_spec("demo-vit-random")))
    lacks = "Triton needs a C compiler and there is none"
    monkeypatch.setattr("neco.training.check.missing", lambda: lacks)
    refuse_impossible(hollow, 9, settings_of(compile=True))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(
        UserError, match=rf"train\.compile: {lacks}; .* set train\.compile to false"
    ):
        refuse_impossible(hollow, 9, settings_of(compile=True))
