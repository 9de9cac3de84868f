"""Digests of what a result was made from: tensors or networks come in, short texts come out.

Two results whose digests differ must not be mixed.
"""

import hashlib
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

DIGITS = 16
"""How many hexadecimal digits a digest has. With so many, two never agree by chance."""
ROWS = 64
"""How many rows of an array are read at a time, which may be memory-mapped."""


def tensors_digest(state: Mapping[str, Tensor]) -> str:
    """Return a digest of tensors: of their names, types, shapes and values, not of their device."""
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


def array_digest(array: np.ndarray) -> str:
    """Return the sha256 of an array's values, in hexadecimal."""
    content = hashlib.sha256()
    for start in range(0, len(array), ROWS):
        content.update(np.ascontiguousarray(array[start : start + ROWS]).data)
    return content.hexdigest()
