"""What a result was made of, as digests: two that differ must not be mixed."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neco.data.dataset import Dataset
from neco.data.shards import Packed

DIGITS = 16
"""Hexadecimal digits of a digest: enough that two never agree by chance."""


def tensors_digest(state: Mapping[str, Tensor]) -> str:
    """Return a digest of tensors: their names, types, shapes and values, wherever they are."""
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


def dataset_digest(dataset: Dataset) -> str:
    """Return a digest of a split: its name, classes, and every image's id and sizes in bytes.

    Images are not read. A packed dataset has the digest of the plain one that it was made from
    where its files are kept as they are.
    """
    content = hashlib.sha256()
    content.update(repr((dataset.name, dataset.split, dataset.classes)).encode())
    for item in dataset.items:
        sizes = [_size(file) for file in (item.image, item.mask) if file is not None]
        content.update(repr((item.id, sizes)).encode())
    return content.hexdigest()[:DIGITS]


def array_digest(array: np.ndarray, rows: int = 64) -> str:
    """Return the sha256 of an array's values, read `rows` at a time (memory-mapped ones)."""
    content = hashlib.sha256()
    for start in range(0, len(array), rows):
        content.update(np.ascontiguousarray(array[start : start + rows]).data)
    return content.hexdigest()


def _size(file: Any) -> int:
    return file.size if isinstance(file, Packed) else int(file.stat().st_size)
