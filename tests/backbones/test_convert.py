"""Every family's nesting and names, on checkpoints written as the authors' own code writes them."""

import argparse
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from neco.backbones import registry
from neco.backbones.backbone import Backbone
from neco.backbones.convert import convert
from neco.backbones.fetch import fetch_and_convert
from neco.backbones.load import build_network, load_backbone
from neco.backbones.spec import BackboneSpec, Download, Given
from neco.errors import UserError

State = dict[str, Tensor]
Tiny = Callable[..., BackboneSpec]
Weights = Callable[[BackboneSpec], State]
DIM = 8
HEAD = {"head.mlp.0.weight": torch.ones(4, DIM), "head.last_layer.weight_g": torch.ones(4, 1)}


def prefixed(prefix: str, state: State) -> State:
    return {prefix + name: tensor for name, tensor in state.items()}


def training_checkpoint(vit: State, heads: State) -> dict[str, Any]:
    """Student (wrapped for several GPUs), teacher, optimiser and arguments, as DINO saves them."""
    backbone = prefixed("backbone.", vit)
    return {
        "student": prefixed("module.", {**backbone, **heads}),
        "teacher": {**backbone, **heads},
        "optimizer": {"state": {}, "param_groups": [{"lr": 0.1, "params": [0]}]},
        "epoch": 300,
        "args": argparse.Namespace(arch="vit_small", patch_size=16, lr=5e-4),
        "loss": {"center": torch.zeros(1, 4)},
    }


def projection(prefix: str = "") -> State:
    return {f"{prefix}projection_head.{i}.weight": torch.ones(4, DIM) for i in (0, 2, 4)}


def official(name: str, vit: State) -> Any:
    """Return what `torch.load` of the authors' file gives for the weights `vit`."""
    mask_token = {"mask_token": torch.zeros(1, DIM)}
    match registry.BACKBONES[name].converter:
        case "dino":
            return vit  # the "backbone only" file
        case "ibot":
            return {"state_dict": vit}
        case "mae":
            return {"model": vit}
        case "croc" | "cribo":
            return training_checkpoint(vit, HEAD)
        case "selfpatch":
            heads = {
                "ca_head.cls_token": torch.ones(1, 1, DIM),
                "ca_head.norm.weight": torch.ones(DIM),
            }
            heads |= {"c_head.mlp.0.weight": torch.ones(4, DIM), "p_head.mlp.0.bias": torch.ones(4)}
            return training_checkpoint(vit, heads)
        case "timet":
            heads = {"feature_extractor.head.0.weight": torch.ones(4, DIM)}
            return {
                **prefixed("feature_extractor.backbone.", vit),
                **heads,
                "prototypes": torch.ones(200, 4),
            }
        case "leopart":
            heads = {**projection("model."), "model.prototypes.weight": torch.ones(30, 4)}
            return {**prefixed("model.", vit), **heads}
        case "dinov2":
            return {**vit, **mask_token}
        case "dinov2-registers" | "dinov2-dropped":
            return {**vit, **mask_token, "register_tokens": torch.arange(4.0 * DIM).view(1, 4, DIM)}
        case "neco-dino":
            return {**vit, **projection()}
        case "neco-dinov2":
            return {**vit, **mask_token, **projection()}
        case "neco-registers":
            registers = {"register_tokens": torch.arange(4.0 * DIM).view(1, 4, DIM)}
            return {**vit, **mask_token, **registers, **projection()}
    raise AssertionError(name)


FAMILIES = [n for n, row in registry.BACKBONES.items() if isinstance(row.source, Download | Given)]


@pytest.mark.parametrize("name", FAMILIES)
def test_official_file_becomes_the_same_tensors_under_timm_names(
    name: str, tiny: Tiny, tmp_path: Path, weights_of: Weights
) -> None:
    row = tiny(name)
    vit = weights_of(row)
    assert isinstance(row.source, Download | Given)
    torch.save(official(name, vit), tmp_path / row.source.file)
    path = fetch_and_convert(name, tmp_path / "out" / "x.safetensors", [], tmp_path)
    backbone = load_backbone(name, path)
    loaded = backbone.model.state_dict()
    if row.prefix_tokens == 5:  # the class token takes its position embedding along
        vit["cls_token"] = vit["cls_token"] + vit["pos_embed"][:, :1]
        vit["pos_embed"] = vit["pos_embed"][:, 1:]
        vit["reg_token"] = torch.arange(4.0 * DIM).view(1, 4, DIM)
    assert set(loaded) == set(vit)
    for key, tensor in vit.items():
        assert torch.equal(loaded[key], tensor), key
    images = torch.randn(2, 3, row.image_size, row.image_size)
    assert backbone(images).shape == (2, 3, 3, DIM)


def test_registers_enter_between_class_token_and_patches(
    tiny: Tiny, tmp_path: Path, weights_of: Weights
) -> None:
    """The converted network computes what DINOv2's own order of operations computes."""
    row = tiny("dinov2r-vits14")
    vit = weights_of(row)
    torch.save(official(row.name, vit), tmp_path / "x.pth")
    network = build_network(row)
    network.load_state_dict(convert(tmp_path / "x.pth", row.converter, network))
    network.eval()
    images = torch.randn(2, 3, row.image_size, row.image_size)
    patches = torch.nn.functional.conv2d(
        images, vit["patch_embed.proj.weight"], vit["patch_embed.proj.bias"], stride=14
    )
    tokens = patches.flatten(2).transpose(1, 2)  # (2, 9, dim)
    tokens = torch.cat([vit["cls_token"].expand(2, -1, -1), tokens], 1) + vit["pos_embed"]
    registers = torch.arange(4.0 * DIM).view(1, 4, DIM).expand(2, -1, -1)
    tokens = torch.cat([tokens[:, :1], registers, tokens[:, 1:]], 1)
    expected = network.norm(network.blocks(tokens))[:, 5:].reshape(2, 3, 3, DIM)
    found = Backbone(network, 14, DIM)(images)
    torch.testing.assert_close(found, expected)


def test_training_checkpoints_of_dino_and_ibot_give_the_teacher(
    tmp_path: Path, shrunk: Tiny, weights_of: Weights
) -> None:
    for name in ("dino-vits16", "ibot-vits16"):
        row = shrunk(name)
        vit = weights_of(row)
        torch.save(training_checkpoint(vit, HEAD), tmp_path / "full.pth")
        state = convert(tmp_path / "full.pth", row.converter, build_network(row))
        assert torch.equal(state["cls_token"], vit["cls_token"])


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_missing_or_unknown_tensor_is_named(
    data: st.DataObject, tmp_path: Path, shrunk: Tiny, weights_of: Weights
) -> None:
    row = shrunk(data.draw(st.sampled_from(["cribo-vits16", "dinov2-vits14", "leopart-vits16"])))
    vit = weights_of(row)
    key = data.draw(st.sampled_from(sorted(vit)))
    if data.draw(st.booleans()):
        del vit[key]
    else:
        key = "blocks.0.surprise"
        vit[key] = torch.ones(1)
    torch.save(official(row.name, vit), tmp_path / "x.pth")
    with pytest.raises(UserError, match=rf"x\.pth.*(missing|unknown) {key}"):
        convert(tmp_path / "x.pth", row.converter, build_network(row))


def test_wrong_shape_is_named(tmp_path: Path, shrunk: Tiny, weights_of: Weights) -> None:
    row = shrunk("mae-vitb16")
    vit = weights_of(row)
    vit["norm.weight"] = torch.ones(DIM + 1)
    torch.save({"model": vit}, tmp_path / "x.pth")
    with pytest.raises(UserError, match=r"norm\.weight has shape \(9,\), expected \(8,\)"):
        convert(tmp_path / "x.pth", row.converter, build_network(row))


def test_two_networks_of_equal_standing_are_refused_unless_they_agree(
    tmp_path: Path, shrunk: Tiny, weights_of: Weights
) -> None:
    row = shrunk("croc-vits16")
    vit = weights_of(row)
    torch.save({"teacher": {**vit, **prefixed("backbone.", vit)}}, tmp_path / "x.pth")
    state = convert(tmp_path / "x.pth", row.converter, build_network(row))
    assert all(torch.equal(state[name], vit[name]) for name in vit)
    other = {name: tensor + 1 for name, tensor in vit.items()}
    torch.save({"teacher": {**vit, **prefixed("backbone.", other)}}, tmp_path / "x.pth")
    with pytest.raises(UserError, match=r"twice, in teacher and in teacher behind backbone\."):
        convert(tmp_path / "x.pth", row.converter, build_network(row))


def test_registers_missing_from_a_file_that_should_hold_them(
    tmp_path: Path, shrunk: Tiny, weights_of: Weights
) -> None:
    row = shrunk("dinov2r-vits14")
    torch.save(weights_of(row), tmp_path / "x.pth")
    with pytest.raises(UserError, match="has no tensor 'register_tokens'"):
        convert(tmp_path / "x.pth", row.converter, build_network(row))


def test_first_blocks_keep_the_final_norm(
    tmp_path: Path, shrunk: Tiny, vit_tensors: Callable[..., State]
) -> None:
    row = shrunk("dino-vits16")
    vit = vit_tensors(16, depth=5)
    torch.save(vit, tmp_path / "x.pth")
    state = convert(tmp_path / "x.pth", "dino", build_network(row), first_blocks=2)
    assert {name.split(".")[1] for name in state if name.startswith("blocks.")} == {"0", "1"}
    assert torch.equal(state["norm.weight"], vit["norm.weight"])
    with pytest.raises(UserError, match=r"unknown blocks\.2\."):
        convert(tmp_path / "x.pth", "dino", build_network(row))


def test_file_in_timm_names_is_taken_as_it_is(tmp_path: Path, shrunk: Tiny) -> None:
    row = shrunk("dinov2r-vits14")
    network = build_network(row)
    save_file(network.state_dict(), tmp_path / "export.safetensors")
    state = convert(tmp_path / "export.safetensors", row.converter, network)
    for name, tensor in network.state_dict().items():
        assert torch.equal(state[name], tensor)


def test_half_precision_becomes_single(tmp_path: Path, shrunk: Tiny, weights_of: Weights) -> None:
    row = shrunk("dino-vits16")
    torch.save({k: v.half() for k, v in weights_of(row).items()}, tmp_path / "x.pth")
    state = convert(tmp_path / "x.pth", "dino", build_network(row))
    assert {tensor.dtype for tensor in state.values()} == {torch.float32}


class Hostile:
    """Pickles as a call of `os.system`."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (self.command,)


def test_pickle_with_code_is_refused_and_not_run(
    tiny: Tiny, tmp_path: Path, weights_of: Weights
) -> None:
    row = tiny("dino-vits16")
    assert isinstance(row.source, Download)
    trace = tmp_path / "was-run"
    content = {**weights_of(row), "extra": Hostile(f"touch {trace}")}
    torch.save(content, tmp_path / row.source.file)
    with pytest.raises(UserError) as error:
        fetch_and_convert("dino-vits16", tmp_path / "x.safetensors", [], tmp_path)
    assert "was not loaded" in str(error.value) and "system" in str(error.value)
    assert "\n" not in str(error.value)
    assert not trace.exists()
    assert not (tmp_path / "x.safetensors").exists()


def test_content_that_is_no_state_dict(tmp_path: Path, shrunk: Tiny) -> None:
    row = shrunk("dino-vits16")
    torch.save([torch.ones(1)], tmp_path / "list.pth")
    with pytest.raises(UserError, match="no state dict but a list"):
        convert(tmp_path / "list.pth", "dino", build_network(row))
    torch.save({"epoch": 3, "model": {"other": torch.ones(1)}}, tmp_path / "nothing.pth")
    with pytest.raises(UserError, match="holds nothing that this backbone could take: other"):
        convert(tmp_path / "nothing.pth", "dino", build_network(row))


def test_converted_file_says_where_it_comes_from(
    tiny: Tiny, tmp_path: Path, weights_of: Weights
) -> None:
    row = tiny("mae-vitb16")
    assert isinstance(row.source, Download)
    torch.save({"model": weights_of(row)}, tmp_path / row.source.file)
    path = fetch_and_convert("mae-vitb16", tmp_path / "x.safetensors", [], tmp_path)
    with safe_open(path, "pt") as opened:
        about = json.loads(opened.metadata()["about"])
    source = (tmp_path / row.source.file).read_bytes()
    assert about["source_sha256"] == hashlib.sha256(source).hexdigest()
    assert about["source"] == row.source.url
    assert about["converter"] == "mae" and about["backbone"] == "mae-vitb16"
    assert set(load_file(path)) == set(build_network(row).state_dict())
