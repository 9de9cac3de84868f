"""The worked examples run."""

import runpy
from math import isfinite, log
from pathlib import Path

import torch

EXAMPLES = Path(__file__).parent.parent / "examples"


def test_the_loss_in_a_loop_of_ones_own():
    example = runpy.run_path(str(EXAMPLES / "own_loop.py"))
    images = torch.rand(5, 3, 48, 64, generator=torch.Generator().manual_seed(0))
    losses = example["train"](images, steps=3)
    assert len(losses) == 3 and all(isfinite(loss) and 0 < loss < 2 * log(16) for loss in losses)
    assert losses == example["train"](images, steps=3)
    views, boxes = example["two_views"](images, torch.Generator().manual_seed(0))
    assert [tuple(view.shape) for view in views] == [(5, 3, 64, 64)] * 2
    assert boxes.shape == (5, 2, 4)
    assert (boxes[:, 0, :2].maximum(boxes[:, 1, :2]) < boxes[..., 2:].amin(1)).all()  # they meet
