"""Registered backbones shrunk to a few numbers, and their weights as the authors write them."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from neco.backbones import registry
from neco.backbones.spec import BackboneSpec

DIM, DEPTH, HEADS, GRID = 8, 2, 2, 3


def _shrunk(name: str) -> BackboneSpec:
    """Return a registered row with a network of 8 dimensions, 2 blocks and a 3x3 grid."""
    row = registry.BACKBONES[name]
    side = GRID * row.patch_size
    tiny = {"img_size": side, "embed_dim": DIM, "depth": DEPTH, "num_heads": HEADS}
    return dataclasses.replace(row, image_size=side, overrides={**row.overrides, **tiny})


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Callable[..., BackboneSpec]:
    """Return a function that puts the shrunk row, with any changes, in place of the real one."""

    def replace(name: str, **changes: Any) -> BackboneSpec:
        row = dataclasses.replace(_shrunk(name), **changes)
        monkeypatch.setitem(registry.BACKBONES, name, row)  # type: ignore[arg-type]
        return row

    return replace


def _vit_tensors(
    patch: int, layer_scale: bool = False, class_token: bool = True, depth: int = DEPTH
) -> dict[str, Tensor]:
    """Return random weights under the names that DINO, MAE, iBOT and DINOv2 all use."""
    generator = torch.Generator().manual_seed(patch)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    state = {
        "pos_embed": random(1, GRID * GRID + class_token, DIM),
        "patch_embed.proj.weight": random(DIM, 3, patch, patch),
        "patch_embed.proj.bias": random(DIM),
    }
    if class_token:
        state["cls_token"] = random(1, 1, DIM)
        state["norm.weight"], state["norm.bias"] = random(DIM), random(DIM)
    linear = {"attn.qkv": (3, 1), "attn.proj": (1, 1), "mlp.fc1": (4, 1), "mlp.fc2": (1, 4)}
    for block in range(depth):
        for layer, (out, into) in linear.items():
            state[f"blocks.{block}.{layer}.weight"] = random(out * DIM, into * DIM)
            state[f"blocks.{block}.{layer}.bias"] = random(out * DIM)
        for layer in ("norm1", "norm2"):
            state[f"blocks.{block}.{layer}.weight"] = random(DIM)
            state[f"blocks.{block}.{layer}.bias"] = random(DIM)
        if layer_scale:
            state[f"blocks.{block}.ls1.gamma"] = random(DIM)
            state[f"blocks.{block}.ls2.gamma"] = random(DIM)
    return state


@pytest.fixture(scope="session")
def shrunk() -> Callable[[str], BackboneSpec]:
    """Return the function from a name to its shrunk row."""
    return _shrunk


@pytest.fixture(scope="session")
def vit_tensors() -> Callable[..., dict[str, Tensor]]:
    """Return the function that makes random weights under the official names."""
    return _vit_tensors


@pytest.fixture(scope="session")
def weights_of() -> Callable[[BackboneSpec], dict[str, Tensor]]:
    """Return the function that makes random weights for a shrunk row."""

    def make(row: BackboneSpec) -> dict[str, Tensor]:
        return _vit_tensors(row.patch_size, "dinov2" in row.architecture, row.prefix_tokens > 0)

    return make
