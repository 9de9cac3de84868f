"""Cutting all views of a batch on the device: images and boxes come in, views come out.

The filter is PIL's antialiased bilinear one, a triangle as wide as a pixel of the view. It is
separable, so a view is two matrix products, W_rows @ image @ W_columns^T. They are batched over
images and crops, and a GPU computes them in tensor cores. The host does not wait for the device.
"""

import torch
from torch import Tensor

from neco.config.training import Crops
from neco.views.multicrop import Views
from neco.views.photographs import Photographs
from neco.views.transfer import to_device


def views_on_device(
    views: Views | Photographs, crops: Crops, device: torch.device
) -> tuple[list[Tensor], Tensor]:
    """Return the views of a batch and the boxes (B, V, 4), on the device.

    The views are in groups of one size, (B, count, 3, side, side), in 0 to 255, global views first.
    A group of no views is left out.
    """
    if isinstance(views, Views):
        groups = [to_device(part, device) for part in (views.global_views, views.local_views)]
    else:
        groups = cut_on_device(views, crops, device)
    return [group for group in groups if group.shape[1]], to_device(views.boxes, device)


def cut_on_device(photographs: Photographs, crops: Crops, device: torch.device) -> list[Tensor]:
    """Return the global views and the local views, each (B, count, 3, side, side).

    Values are in 0 to 255 and not rounded. They are float32, and on a GPU float16, which is exact
    to an eighth.
    """
    images = padded(photographs, device)  # (B, H, 3, W)
    shapes = to_device(photographs.shapes, device)
    boxes = to_device(photographs.placed, device)
    split = crops.global_count
    return [
        resized(images, shapes, boxes[:, :split], crops.global_size),
        resized(images, shapes, boxes[:, split:], crops.local_size),
    ]


def padded(photographs: Photographs, device: torch.device) -> Tensor:
    """Return the images (B, H, 3, W) on the device. Zeros fill up the smaller ones."""
    pixels = to_device(photographs.pixels, device)
    shapes: list[list[int]] = photographs.shapes.tolist()
    height, width = (max(side) for side in zip(*shapes, strict=True))
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    images = torch.zeros(len(shapes), height, 3, width, dtype=dtype, device=device)
    parts = pixels.split([rows * columns * 3 for rows, columns in shapes])
    for image, part, (rows, columns) in zip(images, parts, shapes, strict=True):
        image[:rows, :, :columns] = part.view(rows, columns, 3).transpose(1, 2)
    return images


def resized(images: Tensor, shapes: Tensor, boxes: Tensor, side: int) -> Tensor:
    """Return views (B, V, 3, side, side) of images (B, H, 3, W).

    shapes: (B, 2), the images' heights and widths. boxes: (B, V, 4), in pixels of the images.
    """
    batch, height, _, width = images.shape
    count = boxes.shape[1]
    left, top, right, bottom = boxes.unbind(dim=-1)  # each (B, V)
    rows = triangle_weights(top, bottom, shapes[:, :1], side, height).to(images.dtype)
    columns = triangle_weights(left, right, shapes[:, 1:], side, width).to(images.dtype)
    lines = torch.bmm(rows.flatten(1, 2), images.flatten(2))  # (B, V * side, 3 * W)
    lines = lines.view(batch * count, side * 3, width)
    views = torch.bmm(lines, columns.flatten(0, 1).transpose(1, 2))  # (B * V, side * 3, side)
    return views.view(batch, count, side, 3, side).transpose(2, 3)


def triangle_weights(start: Tensor, end: Tensor, pixels: Tensor, side: int, extent: int) -> Tensor:
    """Return how much each pixel of a line counts in each pixel of a view, (..., side, extent).

    start, end: (...), the crop's range on the line. pixels: broadcast to (...), how many of the
    `extent` pixels exist. Rows sum to 1.
    """
    scale = ((end - start) / side)[..., None]  # (..., 1)
    middles = start[..., None] + (torch.arange(side, device=start.device) + 0.5) * scale
    centres = torch.arange(extent, device=start.device) + 0.5
    distance = (centres - middles[..., None]).abs() / scale.clamp(min=1)[..., None]
    weights = (1 - distance).clamp(min=0) * (centres < pixels[..., None, None])
    return weights / weights.sum(dim=-1, keepdim=True)
