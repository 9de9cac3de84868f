"""Building, strict filling, exporting."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from neco.backbones import load, registry
from neco.backbones.load import (
    build_network,
    export_state_dict,
    image_normalisation,
    load_backbone,
    weights_digest,
)
from neco.backbones.spec import BackboneSpec, Shipped, TimmHub
from neco.errors import UserError
from neco.normalisation import IMAGENET

Tiny = Callable[..., BackboneSpec]


def test_export_and_load_give_the_same_tokens(tiny: Tiny, tmp_path: Path) -> None:
    row = tiny("dinov2r-vits14")
    network = build_network(row)
    network.blocks[0].ls1.gamma.data.fill_(0.5)
    save_file(network.state_dict(), tmp_path / "a.safetensors")
    backbone = load_backbone(row.name, tmp_path / "a.safetensors")
    exported = export_state_dict(backbone)
    save_file(exported, tmp_path / "b.safetensors")
    again = load_backbone(row.name, tmp_path / "b.safetensors")
    images = torch.randn(1, 3, 28, 28)
    assert torch.equal(backbone(images), again(images))
    assert set(exported) == set(network.state_dict())
    exported["norm.weight"].zero_()
    assert backbone.model.norm.weight.abs().sum() > 0  # a copy, not a view


def test_random_weights_depend_on_their_seed_alone(tiny: Tiny) -> None:
    tiny("demo-vit-random")
    torch.manual_seed(1)
    first = load_backbone("demo-vit-random", None)
    drawn = torch.rand(3)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(3), drawn)  # loading drew nothing from the global generator
    second = load_backbone("demo-vit-random", None)
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)


def test_shipped_weights_are_found_in_the_package(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = tiny("demo-vit", source=Shipped("demo/tiny.safetensors"))
    monkeypatch.setattr(load, "__file__", str(tmp_path / "load.py"))
    with pytest.raises(UserError, match=r"tiny\.safetensors: no such weights"):
        load_backbone("demo-vit", None)
    (tmp_path / "demo").mkdir()
    network = build_network(row)
    network.norm.bias.data.fill_(3.0)
    save_file(network.state_dict(), tmp_path / "demo" / "tiny.safetensors")
    assert load_backbone("demo-vit", None).model.norm.bias.eq(3.0).all()


def test_loading_is_strict(tiny: Tiny, tmp_path: Path) -> None:
    row = tiny("dino-vits16")
    state = build_network(row).state_dict()
    path = tmp_path / "x.safetensors"
    save_file({name: t for name, t in state.items() if name != "blocks.1.mlp.fc1.bias"}, path)
    with pytest.raises(UserError, match=r"x\.safetensors.*missing blocks\.1\.mlp\.fc1\.bias"):
        load_backbone(row.name, path)
    save_file({**state, "neck.weight": torch.ones(2, 8)}, path)
    with pytest.raises(UserError, match=r"unknown neck\.weight"):
        load_backbone(row.name, path)


def test_weights_of_ones_own_are_loaded_as_they_are(tiny: Tiny, tmp_path: Path) -> None:
    """What `--weights` names may be any checkpoint of the architecture."""
    row = tiny("dinov2-vits14")
    state = build_network(row).state_dict()
    save_file(state, tmp_path / "x.safetensors")
    own = {"teacher": {f"backbone.{name}": tensor for name, tensor in state.items()}, "epoch": 3}
    torch.save(own, tmp_path / "own.pth")
    images = torch.randn(1, 3, 28, 28)
    expected = load_backbone(row.name, tmp_path / "x.safetensors")(images)
    assert torch.equal(load_backbone(row.name, tmp_path / "own.pth")(images), expected)


def test_weights_are_asked_for_where_they_are_needed() -> None:
    with pytest.raises(UserError, match="'dino-vits16' needs a weights file"):
        load_backbone("dino-vits16", None)


def test_drop_path_grows_with_depth_and_keeps_the_names(tiny: Tiny) -> None:
    tiny("demo-vit-random")
    dropping = load_backbone("demo-vit-random", None, drop_path=0.2)
    plain = load_backbone("demo-vit-random", None)
    assert dropping.model.blocks[-1].drop_path1.drop_prob == pytest.approx(0.2)
    assert isinstance(dropping.model.blocks[0].drop_path1, torch.nn.Identity)
    assert set(export_state_dict(dropping)) == set(export_state_dict(plain))
    assert not dropping.training


def test_patch_colours_have_neither_weights_nor_network() -> None:
    backbone = load_backbone("patch-colours-p14", None)
    assert export_state_dict(backbone) == {}
    assert backbone(torch.rand(1, 3, 28, 42)).shape == (1, 2, 3, 12)


def test_digest_is_sha256_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"abc" * 1000)
    assert weights_digest(path) == hashlib.sha256(b"abc" * 1000).hexdigest()
    with pytest.raises(UserError, match="no such weights"):
        weights_digest(tmp_path / "missing")


def test_normalisation_is_imagenets_or_timms() -> None:
    assert image_normalisation("demo-vit") == IMAGENET
    assert image_normalisation("timm:vit_base_patch16_224.augreg_in21k") == (
        (0.5, 0.5, 0.5),
        (0.5, 0.5, 0.5),
    )


@pytest.mark.parametrize("name", [n for n, r in registry.BACKBONES.items() if r.architecture])
def test_every_row_states_what_its_network_has(name: str) -> None:
    row = registry.BACKBONES[name]
    with torch.device("meta"):
        network = build_network(row)
    assert network.num_prefix_tokens == row.prefix_tokens
    assert network.patch_embed.patch_size == (row.patch_size, row.patch_size)
    assert network.patch_embed.img_size == (row.image_size, row.image_size)
    size = {"S": (384, 12), "B": (768, 12), "L": (1024, 24)}.get(row.label.removeprefix("ViT-")[0])
    dim, depth = size or (registry.DEMO_VIT["embed_dim"], registry.DEMO_VIT["depth"])
    assert network.embed_dim == dim
    assert len(network.blocks) == (row.first_blocks or depth)


HUB = [n for n, r in registry.BACKBONES.items() if isinstance(r.source, TimmHub)]


@pytest.mark.parametrize("name", HUB)
def test_rows_of_timms_hub_say_what_timm_says(name: str) -> None:
    row = registry.BACKBONES[name]
    assert isinstance(row.source, TimmHub)
    config = timm.get_pretrained_cfg(row.source.model)
    assert config.hf_hub_id
    assert row.image_size == config.input_size[-1]
    assert row.normalisation == (config.mean, config.std)
    assert row.licence.lower() == config.license
