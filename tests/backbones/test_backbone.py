"""Patch tokens and class attention against plain computations with timm's own layers."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from neco.backbones.backbone import Backbone, PatchColours
from neco.backbones.load import build_network
from neco.backbones.spec import BackboneSpec
from neco.errors import UserError

NAMES = ["dino-vits16", "dinov2-vits14", "dinov2r-vits14", "demo-vit-random"]


@pytest.fixture(params=NAMES)
def row(request: pytest.FixtureRequest, shrunk: Callable[[str], BackboneSpec]) -> BackboneSpec:
    return shrunk(request.param)


def make(row: BackboneSpec) -> Backbone:
    """Return the shrunk network with weights large enough that attention is far from uniform."""
    network = build_network(row)
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    return Backbone(network, row.patch_size, network.embed_dim).eval()


def hooked_attention(backbone: Backbone, images: Tensor) -> Tensor:
    """Return timm's own softmax (B, heads, N, N) of the last block, seen by its dropout layer."""
    attention = backbone.model.blocks[-1].attn
    attention.fused_attn = False
    seen: list[Tensor] = []
    handle = attention.attn_drop.register_forward_hook(lambda m, i, output: seen.append(output))
    with torch.no_grad():
        backbone.model.forward_features(images)
    handle.remove()
    return seen[0]


@pytest.mark.parametrize("size", [(3, 3), (2, 5)])
def test_class_attention_is_timms_own_softmax(row: BackboneSpec, size: tuple[int, int]) -> None:
    backbone = make(row)
    images = torch.randn(2, 3, *(side * row.patch_size for side in size))
    found = backbone.class_attention(images)
    softmax = hooked_attention(backbone, images)
    assert softmax.shape[-1] == row.prefix_tokens + size[0] * size[1]
    expected = softmax[:, :, 0, row.prefix_tokens :].reshape(2, -1, *size)
    torch.testing.assert_close(found, expected)
    to_prefix = softmax[:, :, 0, : row.prefix_tokens].sum(-1)
    torch.testing.assert_close(found.sum((-1, -2)) + to_prefix, torch.ones_like(to_prefix))


def test_class_attention_leaves_no_hook_and_no_gradient(row: BackboneSpec) -> None:
    backbone = make(row)
    images = torch.randn(1, 3, row.image_size, row.image_size)
    assert not backbone.class_attention(images).requires_grad
    assert not backbone.model.blocks[-1].attn._forward_hooks


def test_patch_tokens_lie_where_their_patch_lies(row: BackboneSpec) -> None:
    """Without blocks and positions a token is a function of its own patch alone."""
    backbone = make(row)
    backbone.model.blocks = torch.nn.Sequential(torch.nn.Identity())
    backbone.model.pos_embed.data.zero_()
    patch = row.patch_size
    images = torch.randn(1, 3, 2 * patch, 4 * patch)
    changed = images.clone()
    changed[:, :, patch : 2 * patch, 2 * patch : 3 * patch] += 1.0
    with torch.no_grad():
        differs = (backbone(images) - backbone(changed)).abs().sum(-1)[0]  # (2, 4)
    assert differs[1, 2] > 0
    differs[1, 2] = 0
    assert differs.max() < 1e-5


def test_patch_tokens_come_after_the_final_norm(row: BackboneSpec) -> None:
    backbone = make(row)
    images = torch.randn(2, 3, row.image_size, row.image_size)
    seen: list[Tensor] = []
    backbone.model.norm.register_forward_hook(lambda m, i, output: seen.append(output))
    with torch.no_grad():
        tokens = backbone(images)
    assert torch.equal(tokens, seen[0][:, row.prefix_tokens :].reshape(tokens.shape))


def test_other_sizes_resample_positions_bicubically_with_antialiasing(row: BackboneSpec) -> None:
    backbone = make(row)
    positions = backbone.model.pos_embed.detach()
    prefix = positions.shape[1] - 9
    grid = positions[:, prefix:].reshape(1, 3, 3, -1).permute(0, 3, 1, 2)
    grid = torch.nn.functional.interpolate(grid, size=(2, 5), mode="bicubic", antialias=True)
    images = torch.randn(1, 3, 2 * row.patch_size, 5 * row.patch_size)
    with torch.no_grad():
        found = backbone(images)
        embedded = backbone.model.patch_embed(images).reshape(1, 10, -1)
        embedded = embedded + grid.flatten(2).transpose(1, 2)
        front = backbone.model.cls_token + (positions[:, :1] if prefix else 0)
        if backbone.model.reg_token is not None:
            front = torch.cat([front, backbone.model.reg_token], 1)
        tokens = torch.cat([front, embedded], 1)
        expected = backbone.model.norm(backbone.model.blocks(tokens))[:, row.prefix_tokens :]
    torch.testing.assert_close(found, expected.reshape(found.shape), rtol=1e-4, atol=1e-4)


def test_no_class_token_no_class_attention(shrunk: Callable[[str], BackboneSpec]) -> None:
    backbone = make(shrunk("selfpatch-vits16"))
    images = torch.randn(1, 3, 48, 48)
    assert backbone(images).shape == (1, 3, 3, 8)
    with pytest.raises(UserError, match="no class token"):
        backbone.class_attention(images)
    with pytest.raises(UserError, match="no attention"):
        PatchColours(8).class_attention(images)


@settings(max_examples=20)
@given(patch=st.sampled_from([2, 8, 14]), rows=st.integers(1, 4), columns=st.integers(1, 4))
def test_patch_colours_are_the_means_of_four_quarters(patch: int, rows: int, columns: int) -> None:
    images = torch.rand(2, 3, rows * patch, columns * patch)
    found = PatchColours(patch)(images)
    assert found.shape == (2, rows, columns, 12)
    half = patch // 2
    for i in range(rows):
        for j in range(columns):
            cell = images[:, :, i * patch : (i + 1) * patch, j * patch : (j + 1) * patch]
            quarters = [
                cell[:, :, :half, :half].mean((2, 3)),
                cell[:, :, :half, half:].mean((2, 3)),
                cell[:, :, half:, :half].mean((2, 3)),
                cell[:, :, half:, half:].mean((2, 3)),
            ]
            by_channel = torch.stack(quarters, -1).flatten(1)  # (B, 3 channels x 4 quarters)
            torch.testing.assert_close(found[:, i, j], by_channel)


@pytest.mark.parametrize(
    ("kind", "precision", "half", "fused"),
    [
        ("cpu", "auto", torch.bfloat16, False),
        ("cpu", "bf16-mixed", torch.bfloat16, False),
        ("cpu", "32-true", torch.bfloat16, True),
        ("cpu", "auto", None, True),
        ("cpu", "bf16-mixed", None, True),
        ("cuda", "bf16-mixed", torch.float16, True),
    ],
    ids=str,
)
def test_attention_is_plain_only_where_a_cpu_trains_in_fast_bfloat16(
    monkeypatch, shrunk, kind, precision, half, fused
):
    monkeypatch.setattr("neco.backbones.backbone.fast_half", lambda kind: half)
    backbone = make(shrunk("demo-vit-random"))
    images = torch.randn(1, 3, 32, 32)
    before = backbone(images)
    backbone.attend_for_training(kind, precision)
    assert {block.attn.fused_attn for block in backbone.blocks()} == {fused}
    torch.testing.assert_close(backbone(images), before, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, torch.AcceleratorError])
def test_what_a_device_raises_is_not_taken_for_a_wrong_size(monkeypatch, shrunk, error):
    backbone = make(shrunk("demo-vit-random"))
    images = torch.randn(1, 3, 16, 16)

    def fail(*_, **__):
        raise error("CUDA error")

    monkeypatch.setattr(backbone.model, "forward_intermediates", fail)
    with torch.no_grad(), pytest.raises(error):
        backbone(images)
