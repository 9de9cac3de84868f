"""RoIAlign of crop pairs: the same places of the image, seen through two crops.

Source: paper, section 3 (feature extraction and alignment) and appendix A.1; the reference
implementation uses `aligned=True` and boxes in units of patches.
"""

import torch
from torch import Tensor
from torchvision.ops import roi_align


def intersection(first: Tensor, second: Tensor) -> Tensor:
    """Return the boxes (B, 4) in which boxes `first` and `second` (B, 4) meet, in image pixels."""
    corner = torch.maximum(first[:, :2], second[:, :2])
    opposite = torch.minimum(first[:, 2:], second[:, 2:])
    return torch.cat([corner, opposite], dim=1)


def in_grid(region: Tensor, crop: Tensor, rows: int, columns: int) -> Tensor:
    """Return `region` (B, 4) of the image in grid units of the crop's feature map.

    region and crop: (B, 4) boxes in image pixels. The crop spans (0, 0) to (columns, rows).
    """
    origin = crop[:, :2].repeat(1, 2)
    size = (crop[:, 2:] - crop[:, :2]).repeat(1, 2)
    across, down = ((region - origin) / size).unflatten(1, (2, 2)).unbind(dim=-1)
    return torch.stack([across * columns, down * rows], dim=-1).flatten(1)


def align(grid: Tensor, region: Tensor, crop: Tensor, size: int) -> Tensor:
    """Return the features of a region of the image, read from a crop's feature map.

    grid: (B, rows, columns, D), the crop's features. region, crop: (B, 4) in image pixels.
    Returns (B, size * size, D) in float32, row by row.
    """
    maps = grid.permute(0, 3, 1, 2).float()  # (B, D, rows, columns)
    boxes = in_grid(region, crop, *grid.shape[1:3]).to(maps)
    number = torch.arange(len(boxes), device=maps.device, dtype=maps.dtype).unsqueeze(1)
    pooled = roi_align(maps, torch.cat([number, boxes], dim=1), size, aligned=True)
    return pooled.flatten(2).transpose(1, 2)  # (B, D, size, size) -> (B, size * size, D)
