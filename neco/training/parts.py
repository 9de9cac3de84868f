"""A batch cut into parts that are trained on one after the other.

What was computed for the parts comes in, and what holds for the batch comes out. So a step needs
the memory of one part and has the gradient of the whole batch.
"""

import torch
from torch import Tensor

from neco.loss import LossTerms


def parts_of(images: int, count: int) -> list[slice]:
    """Return which of the B images each of `count` equal parts holds."""
    size = images // count
    return [slice(part * size, (part + 1) * size) for part in range(count)]


def joined(parts: list[list[Tensor]]) -> list[Tensor]:
    """Return, for each crop, the tokens (B, rows, columns, D) of all images.

    parts: for each part of the batch, the tokens of its images, crop by crop.
    """
    return parts[0] if len(parts) == 1 else [torch.cat(grids) for grids in zip(*parts, strict=True)]


def total(terms: list[LossTerms]) -> LossTerms:
    """Return the terms of all images, given those of the parts."""
    if len(terms) == 1:
        return terms[0]
    losses, floors, aligned = zip(*terms, strict=True)
    return LossTerms(
        torch.stack(losses).detach().sum(), torch.stack(floors).sum(), torch.cat(aligned)
    )
