"""Resampling in the graph against PyTorch's own."""

import pytest
import torch
from timm.layers import resample_abs_pos_embed
from torch.nn.functional import interpolate

from neco.export.onnx import cubic_weights, resampled_positions


@pytest.mark.parametrize("new", [1, 3, 7, 8, 20])
def test_weights_are_torchs(new):
    signal = torch.randn(7, 5)
    wanted = interpolate(
        signal.T[None, :, None], (1, new), mode="bicubic", antialias=True
    )[0, :, 0].T  # fmt: skip
    torch.testing.assert_close(cubic_weights(new, 7) @ signal, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("prefix", [0, 1, 5])
@pytest.mark.parametrize("grid", [(4, 9), (6, 6), (2, 3)])
def test_positions_are_timms(prefix, grid):
    positions = torch.randn(1, prefix + 36, 8)
    wanted = resample_abs_pos_embed(positions, list(grid), num_prefix_tokens=prefix)
    found = resampled_positions(positions, grid, num_prefix_tokens=prefix)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
