"""A process's share of a batch in parts, one after the other: memory of a part, gradient of all."""

import torch
from torch import Tensor

from neco.loss import LossTerms


def parts_of(images: int, count: int) -> list[slice]:
    """Return which images each of `count` equal parts holds."""
    size = images // count
    return [slice(part * size, (part + 1) * size) for part in range(count)]


def joined(parts: list[list[Tensor]]) -> list[Tensor]:
    """Return, per crop, the grids (B, rows, columns, D) of all images; parts: [part][crop]."""
    return parts[0] if len(parts) == 1 else [torch.cat(grids) for grids in zip(*parts, strict=True)]


def total(terms: list[LossTerms]) -> LossTerms:
    """Return the terms of all images from those of the parts."""
    if len(terms) == 1:
        return terms[0]
    losses, floors, aligned = zip(*terms, strict=True)
    return LossTerms(
        torch.stack(losses).detach().sum(), torch.stack(floors).sum(), torch.cat(aligned)
    )
