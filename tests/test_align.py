"""Alignment: what lies at the same place of the image is read as the same feature."""

import numpy as np
import torch

from neco.align import align, in_grid, intersection


def ramp(crop: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    """A feature map (1, rows, columns, 2) that holds each patch centre's place in the image."""
    left, top, right, bottom = crop[0].tolist()
    x = left + (np.arange(columns) + 0.5) / columns * (right - left)
    y = top + (np.arange(rows) + 0.5) / rows * (bottom - top)
    grid = np.stack(np.meshgrid(x, y), axis=-1)
    return torch.tensor(grid, dtype=torch.float32).unsqueeze(0)


def test_two_crops_of_one_place_agree():
    first = torch.tensor([[10.0, 20.0, 210.0, 180.0]])
    second = torch.tensor([[90.0, 5.0, 250.0, 125.0]])
    region = intersection(first, second)
    assert region.tolist() == [[90.0, 20.0, 210.0, 125.0]]
    inner = torch.tensor([[110.0, 40.0, 190.0, 110.0]])  # away from the maps' clamped rims
    a = align(ramp(first, 16, 16), inner, first, 7)
    b = align(ramp(second, 7, 9), inner, second, 7)
    torch.testing.assert_close(a, b, atol=1e-2, rtol=0)
    x = 110 + (np.arange(7) + 0.5) / 7 * 80
    np.testing.assert_allclose(a[0].reshape(7, 7, 2)[3, :, 0].numpy(), x, atol=1e-2)


def test_the_whole_crop_at_its_own_resolution_is_the_map():
    crop = torch.tensor([[0.0, 0.0, 70.0, 70.0]])
    grid = torch.randn(1, 7, 7, 5)
    # one sample per cell lies at the patch centre when cells and patches coincide
    aligned = align(grid, crop, crop, 7)
    torch.testing.assert_close(aligned, grid.reshape(1, 49, 5))


def test_grid_units():
    region = torch.tensor([[50.0, 0.0, 100.0, 100.0]])
    crop = torch.tensor([[0.0, 0.0, 100.0, 200.0]])
    assert in_grid(region, crop, rows=8, columns=4).tolist() == [[2.0, 0.0, 4.0, 4.0]]


def test_gradient_reaches_only_the_region():
    grid = torch.zeros(1, 10, 10, 1, requires_grad=True)
    crop = torch.tensor([[0.0, 0.0, 100.0, 100.0]])
    align(grid, torch.tensor([[60.0, 60.0, 90.0, 90.0]]), crop, 3).sum().backward()
    gradient = grid.grad[0, :, :, 0]
    assert gradient[:5].abs().sum() == 0
    assert gradient[6:9, 6:9].abs().sum() > 0
