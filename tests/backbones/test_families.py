"""Networks of every kind with random weights: tokens at two sizes, one backward pass, attention."""

from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn

from neco.backbones.backbone import Backbone, isotropic
from neco.backbones.load import as_backbone, export_state_dict
from neco.backbones.timm_models import create
from neco.errors import UserError

SMALL = {"embed_dim": 32, "depth": 3, "num_heads": 2}
# name: (arguments that make it small, has a class token that attends, can be trained)
TRANSFORMERS: dict[str, tuple[dict[str, Any], bool, bool]] = {
    "vit_tiny_patch16_224": ({"embed_dim": 32, "depth": 3, "num_heads": 2}, True, True),
    "vit_small_patch14_reg4_dinov2": (SMALL, True, True),
    "deit_tiny_distilled_patch16_224": (SMALL, True, True),
    "deit3_small_patch16_224": (SMALL, True, True),
    "vit_small_patch16_dinov3": (SMALL, True, True),
    "vit_small_plus_patch16_dinov3": (SMALL, True, True),
    "vit_pe_spatial_tiny_patch16_512": (SMALL, True, True),
    "vit_pe_core_tiny_patch16_384": (SMALL, True, True),
    "eva02_tiny_patch14_224": (SMALL, True, True),
    "vit_base_patch16_siglip_512": (SMALL, False, True),
    "vit_huge_patch14_gap_224": (SMALL, False, True),  # I-JEPA
    "aimv2_large_patch14_224": (SMALL, False, True),
    "vit_base_patch16_radio_v3": (SMALL, True, True),
    "vit_relpos_small_patch16_224": (SMALL, False, False),
    "beit_base_patch16_224": (SMALL, True, False),
    "beitv2_base_patch16_224": (SMALL, True, False),
    "samvit_base_patch16": ({**SMALL, "global_attn_indexes": (2,)}, False, True),
    "cait_xxs24_224": (SMALL, False, False),
    "xcit_nano_12_p16_224": ({**SMALL, "cls_attn_layers": 1}, False, True),
}
PYRAMIDS = {
    "convnext_atto": {"depths": (1, 1, 1, 1), "dims": (8, 16, 24, 32)},
    "swin_tiny_patch4_window7_224": {
        "depths": (1, 1, 1, 1), "embed_dim": 12, "num_heads": (1, 1, 2, 2)
    },
    "resnet18": {},
    "hiera_tiny_224": {"embed_dim": 16, "stages": (1, 1, 1, 1)},
}  # fmt: skip


def small(name: str, block: int | None = None, **arguments: Any) -> Backbone:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = create(name, dynamic_img_size=True, **arguments)
    return as_backbone(network, block)


def images_of(backbone: Backbone, rows: int = 0, columns: int = 0) -> Tensor:
    """Return two random images of so many tokens, or of the network's own size."""
    own = backbone.model.pretrained_cfg["input_size"][-1] if not rows else 0
    patch = backbone.patch_size
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, 3, own or rows * patch, own or columns * patch, generator=generator)


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_tokens_are_those_of_timm_at_two_sizes(name: str) -> None:
    arguments, _, _ = TRANSFORMERS[name]
    backbone = small(name, **arguments)
    sizes = [(4, 4), (6, 6)] if hasattr(backbone.model, "set_input_size") else [(14, 14)]
    for rows, columns in sizes:
        with torch.no_grad():
            tokens = backbone(images_of(backbone, rows, columns))
            whole = backbone.model.forward_features(images_of(backbone, rows, columns))
        assert tokens.shape == (2, rows, columns, backbone.dim)
        if whole.ndim == 3 and isinstance(backbone.model.norm, nn.LayerNorm):
            prefix = backbone.model.num_prefix_tokens
            torch.testing.assert_close(tokens.flatten(1, 2), whole[:, prefix:])


@pytest.mark.parametrize("name", [n for n, (_, _, trains) in TRANSFORMERS.items() if trains])
def test_every_weight_that_makes_tokens_gets_a_gradient(name: str) -> None:
    backbone = small(name, **TRANSFORMERS[name][0]).train()
    backbone.prepare_training(6 * backbone.patch_size, 4 * backbone.patch_size)
    (backbone(images_of(backbone, 4, 4)).square().sum()).backward()
    without = [n for n, p in backbone.named_parameters() if p.requires_grad and p.grad is None]
    assert without == []
    frozen = {n.split(".")[1] for n, p in backbone.named_parameters() if not p.requires_grad}
    assert frozen <= {"fc_norm", "cls_token", "cls_attn_blocks", "norm"}
    assert len(backbone.blocks()) == 3
    last = "neck" if name.startswith("samvit") else "norm"
    assert backbone.final_norm() is getattr(backbone.model, last)


@pytest.mark.parametrize("name", [n for n, (_, _, trains) in TRANSFORMERS.items() if not trains])
def test_networks_of_one_size_are_refused_for_training(name: str) -> None:
    backbone = small(name, **TRANSFORMERS[name][0])
    with pytest.raises(UserError, match="cannot see crops of 224 and 96 pixels in one step"):
        backbone.prepare_training(224, 96)


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_class_attention_is_the_plain_softmax_or_is_refused(name: str) -> None:
    arguments, attends, _ = TRANSFORMERS[name]
    backbone = small(name, **arguments)
    rows, columns = (4, 4) if hasattr(backbone.model, "set_input_size") else (14, 14)
    images = images_of(backbone, rows, columns)
    if not attends:
        with pytest.raises(UserError, match=r"no class token|hence no class attention"):
            backbone.class_attention(images)
        return
    found = backbone.class_attention(images)
    for part in backbone.model.modules():
        if hasattr(part, "fused_attn"):
            part.fused_attn = False
    again = backbone.class_attention(images)
    seen: list[Tensor] = []
    dropout = backbone.blocks()[-1].attn.attn_drop
    handle = dropout.register_forward_hook(lambda m, i, output: seen.append(output))
    with torch.no_grad():
        backbone.model.forward_features(images)
    handle.remove()
    prefix = backbone.model.num_prefix_tokens
    expected = seen[-1][:, :, 0, prefix:].unflatten(-1, (rows, columns))
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(again, expected)
    assert not any(getattr(m, "fused_attn", False) for m in backbone.blocks()[-1].modules())


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "vit_small_patch16_dinov3"])
def test_an_earlier_block_is_the_last_one_of_a_shorter_network(name: str) -> None:
    backbone = small(name, -3, **SMALL)
    shorter = small(name, None, **{**SMALL, "depth": 1})
    shorter.model.load_state_dict(
        {n: t for n, t in backbone.model.state_dict().items() if n in shorter.model.state_dict()}
    )
    images = images_of(backbone, 3, 5)
    with torch.no_grad():
        torch.testing.assert_close(backbone(images), shorter(images))
    with pytest.raises(UserError, match="leave --block away"):
        backbone.prepare_training(224)


def test_a_block_that_is_not_there_is_named() -> None:
    with pytest.raises(UserError, match=r"block -4: VisionTransformer has 3; .* -1 to -3"):
        small("vit_tiny_patch16_224", -4, **SMALL)


@pytest.mark.parametrize("name", PYRAMIDS)
def test_pyramids_give_the_map_of_any_stage_and_are_not_trained(name: str) -> None:
    for block in (None, -2):
        backbone = small(name, block, **PYRAMIDS[name])
        assert backbone.patch_size == (32 if block is None else 16)
        with torch.no_grad():
            tokens = backbone(images_of(backbone))
        side = images_of(backbone).shape[-1] // backbone.patch_size
        assert tokens.shape == (2, side, side, backbone.dim)
        assert not isotropic(backbone.model)
    with pytest.raises(UserError, match="can be evaluated but not trained"):
        backbone.prepare_training(224)
    with pytest.raises(UserError, match="no class token"):
        backbone.class_attention(images_of(backbone))


def test_pyramids_agree_with_timms_features_only() -> None:
    backbone = small("resnet18")
    features = timm.create_model("resnet18", features_only=True, out_indices=(4,)).eval()
    features.load_state_dict(backbone.model.state_dict(), strict=False)
    images = images_of(backbone, 3, 4)
    with torch.no_grad():
        (expected,) = features(images)
        torch.testing.assert_close(backbone(images), expected.permute(0, 2, 3, 1))


def test_tokens_of_a_hybrid_lie_where_their_pixels_lie() -> None:
    backbone = small("vit_tiny_r_s16_p8_224", embed_dim=32, depth=1, num_heads=2)
    backbone.model.blocks = nn.Sequential(nn.Identity())
    backbone.model.pos_embed.data.zero_()
    images = images_of(backbone, 7, 7)
    changed = images.clone()
    changed[:, :, 3 * 32 + 12 : 3 * 32 + 20, 5 * 32 + 12 : 5 * 32 + 20] += 1.0
    with torch.no_grad():
        differs = (backbone(images) - backbone(changed)).abs().sum(-1)[0]
    assert divmod(int(differs.argmax()), 7) == (3, 5)


def test_a_network_of_one_size_is_resampled_from_its_own_positions_each_time() -> None:
    backbone = small("beit_base_patch16_224", **SMALL)
    before = export_state_dict(backbone)
    images = images_of(backbone, 14, 14)
    with torch.no_grad():
        first = backbone(images)
        for side in (4, 9, 20):
            assert backbone(images_of(backbone, side, side)).shape[1] == side
        again = backbone(images)
    torch.testing.assert_close(again, first)
    after = export_state_dict(backbone)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_size_that_a_network_cannot_take_is_one_line() -> None:
    backbone = small("cait_xxs24_224", **SMALL)
    with torch.no_grad(), pytest.raises(UserError, match="cannot take images of 64x64; its own"):
        backbone(images_of(backbone, 4, 4))
