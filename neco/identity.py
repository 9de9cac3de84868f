"""Digests of what a result was made of. Two results whose digests differ must not be mixed."""

import hashlib
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

DIGITS = 16
"""Hexadecimal digits of a digest: so many that two digests never agree by chance."""


def tensors_digest(state: Mapping[str, Tensor]) -> str:
    """Return a digest of tensors: of their names, types, shapes and values, on whatever device."""
    content = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        content.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        content.update(tensor.flatten().view(torch.uint8).numpy().data if tensor.numel() else b"")
    return content.hexdigest()[:DIGITS]


def model_digest(model: nn.Module) -> str:
    """Return a digest of a network's weights and of the class that runs them."""
    kind = f"{type(model).__name__} {getattr(model, 'patch_size', '')}".encode()
    state = tensors_digest(model.state_dict())
    return hashlib.sha256(kind + state.encode()).hexdigest()[:DIGITS]


def array_digest(array: np.ndarray, rows: int = 64) -> str:
    """Return the sha256 of an array's values, read `rows` at a time (memory-mapped ones)."""
    content = hashlib.sha256()
    for start in range(0, len(array), rows):
        content.update(np.ascontiguousarray(array[start : start + rows]).data)
    return content.hexdigest()
