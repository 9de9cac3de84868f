"""Alignment of a pair of crops: the same places of the image are read from both crops' tokens.

A crop's tokens, its box and the region where the pair overlaps come in; S x S tokens of that region
come out, by RoIAlign. Source: paper, section 3 (feature extraction and alignment) and appendix A.1.
As in the released code, boxes are in units of patches and RoIAlign is called with `aligned=True`.
"""

import torch
from torch import Tensor
from torchvision.ops import roi_align


def intersection(first: Tensor, second: Tensor) -> Tensor:
    """Return the boxes (B, 4) where boxes `first` and `second` (B, 4) overlap, in image pixels.

    Where two do not overlap, the width or the height of the returned box is negative.
    """
    corner = torch.maximum(first[:, :2], second[:, :2])
    opposite = torch.minimum(first[:, 2:], second[:, 2:])
    return torch.cat([corner, opposite], dim=1)


def in_grid(region: Tensor, crop: Tensor, rows: int, columns: int) -> Tensor:
    """Return boxes (B, 4) of the region in units of patches of the crop.

    region, crop: boxes (B, 4) in image pixels. rows, columns: of the crop's tokens. In units of
    patches, the crop itself is (0, 0, columns, rows).
    """
    origin = crop[:, :2].repeat(1, 2)
    size = (crop[:, 2:] - crop[:, :2]).repeat(1, 2)
    across, down = ((region - origin) / size).unflatten(1, (2, 2)).unbind(dim=-1)
    return torch.stack([across * columns, down * rows], dim=-1).flatten(1)


def align(grid: Tensor, region: Tensor, crop: Tensor, size: int) -> Tensor:
    """Return the tokens of a region of the image, read from a crop's tokens.

    grid: (B, rows, columns, D), the crop's tokens. region, crop: boxes (B, 4) in image pixels.
    size: S. Returns (B, S*S, D) in float32, row by row.
    """
    maps = grid.permute(0, 3, 1, 2).float()  # (B, D, rows, columns)
    boxes = in_grid(region, crop, *grid.shape[1:3]).to(maps)
    number = torch.arange(len(boxes), device=maps.device, dtype=maps.dtype).unsqueeze(1)
    pooled = roi_align(maps, torch.cat([number, boxes], dim=1), size, aligned=True)
    return pooled.flatten(2).transpose(1, 2)  # (B, D, S, S) -> (B, S*S, D)
