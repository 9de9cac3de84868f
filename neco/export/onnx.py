"""The network as an ONNX file that takes any number of images of any size."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from math import isqrt
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from neco.backbones.backbone import Backbone
from neco.errors import UserError, first_line
from neco.export.folder import takes_any_size, trial_images

FILE = "model.onnx"
OPSET = 18
TOLERANCE = 1e-4
"""How far ONNX Runtime's numbers may be from PyTorch's: float32 through other kernels."""
TRACED, CHECKED = (6, 5), ((4, 7), (9, 9))
"""Rows and columns of the images that the graph is made from, and of those it is checked with."""
CUBIC = -0.5
"""PyTorch's coefficient of the bicubic kernel when it antialiases."""


def write_onnx(backbone: Backbone, into: Path) -> None:
    """Write a graph from `images` (B, 3, H, W), normalised, to `tokens` (B, H/p, W/p, dim).

    B, H and W are free; H and W are multiples of the patch size p. Position embeddings are
    resampled inside the graph. Raises UserError for a network that has one size, or that cannot
    be turned into a graph.
    """
    name = type(backbone.model).__name__
    if not takes_any_size(backbone):
        raise UserError(
            f"{name} stores its positions for one size, so it has no ONNX file of any size; export "
            "it without --onnx"
        )
    try:
        with _quietly(), _resampling_in_graph(backbone.model), torch.no_grad():
            torch.onnx.export(
                backbone.eval(),
                (trial_images(backbone, *TRACED, count=2),),
                str(into),
                input_names=["images"],
                output_names=["tokens"],
                dynamic_axes={
                    "images": {0: "batch", 2: "height", 3: "width"},
                    "tokens": {0: "batch", 1: "rows", 2: "columns"},
                },
                opset_version=OPSET,
                dynamo=False,
            )
    except Exception as error:  # whatever the exporter meets in foreign code
        reason = first_line(error, most=120)
        raise UserError(
            f"{name} cannot be turned into ONNX ({reason}); export it without --onnx"
        ) from None


def check_onnx(backbone: Backbone, file: Path) -> float | None:
    """Return the largest difference from PyTorch's tokens over two sizes; None without the means.

    The means are the package onnxruntime. Raises UserError where a size is refused or differs by
    more than TOLERANCE, absolute, or of the number where it is above 1.
    """
    try:
        import onnxruntime
    except ImportError:
        return None
    name = type(backbone.model).__name__
    largest = 0.0
    try:
        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        for number, (rows, columns) in enumerate(CHECKED, start=1):
            images = trial_images(backbone, rows, columns, count=number)
            (found,) = session.run(None, {"images": images.numpy()})
            with torch.no_grad():
                wanted = backbone(images)
            tokens = torch.from_numpy(found)
            if tokens.shape != wanted.shape or not torch.allclose(
                tokens, wanted, rtol=TOLERANCE, atol=TOLERANCE
            ):
                raise UserError(
                    f"{name} as ONNX gives other tokens than PyTorch at "
                    f"{images.shape[-2]}x{images.shape[-1]} pixels; export it without --onnx"
                )
            largest = max(largest, (tokens - wanted).abs().max().item())
    except UserError:
        raise
    except Exception as error:  # ONNX Runtime raises classes of its own
        reason = first_line(error, most=120)
        raise UserError(
            f"{name} as ONNX cannot be run at another size ({reason}); export it without --onnx"
        ) from None
    return largest


def cubic_weights(new: Any, old: int) -> Tensor:
    """Return (new, old): how much each of `old` cells counts in each of `new`, rows summing to 1.

    Bicubic, antialiased where it shrinks, corners not aligned: what torch's `interpolate` computes,
    in operations that every graph has. new: a number, or a size inside a graph that is traced.
    """
    scale = torch.as_tensor(old / new, dtype=torch.float32)
    centres = (torch.arange(new, dtype=torch.float32) + 0.5) * scale
    cells = torch.arange(old, dtype=torch.float32) + 0.5
    away = ((cells[None] - centres[:, None]) / scale.clamp(min=1.0)).abs()
    near = ((CUBIC + 2) * away - (CUBIC + 3)) * away**2 + 1
    far = (((away - 5) * away + 8) * away - 4) * CUBIC
    weights = torch.where(away < 1, near, torch.where(away < 2, far, torch.zeros_like(away)))
    return weights / weights.sum(dim=1, keepdim=True)


def resampled_positions(
    posemb: Tensor,
    new_size: Any,
    old_size: Any = None,
    num_prefix_tokens: int = 1,
    interpolation: str = "bicubic",
    antialias: bool = True,
    verbose: bool = False,
) -> Tensor:
    """Return position embeddings (1, prefix + rows * columns, dim) for another grid.

    Takes the place and the arguments of timm's `resample_abs_pos_embed`, whose operator ONNX lacks.
    """
    prefix, patches = posemb[:, :num_prefix_tokens], posemb[:, num_prefix_tokens:]
    rows, columns = old_size or (isqrt(patches.shape[1]),) * 2
    dim = patches.shape[2]
    grid = cubic_weights(new_size[0], rows) @ patches.reshape(rows, columns * dim)
    grid = cubic_weights(new_size[1], columns) @ grid.reshape(-1, columns, dim)
    grid = grid.reshape(1, -1, dim)
    return torch.cat([prefix, grid], dim=1) if num_prefix_tokens else grid


@contextmanager
def _resampling_in_graph(network: torch.nn.Module) -> Iterator[None]:
    module, name = sys.modules[type(network).__module__], "resample_abs_pos_embed"
    if not hasattr(module, name):
        yield
        return
    with patch.object(module, name, resampled_positions):
        yield


@contextmanager
def _quietly() -> Iterator[None]:
    """Leave out what the tracer warns of: sizes that look constant are checked afterwards."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
