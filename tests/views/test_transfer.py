"""What is copied to a GPU lies in one piece of pinned memory, so that the host does not wait."""

import numpy as np
import pytest
import torch
from torch import Tensor

from neco.share import Share
from neco.views.transfer import to_device


@pytest.mark.parametrize(
    "values",
    [
        np.arange(6).reshape(2, 3),
        torch.arange(12).view(3, 4).T,
        Share(1, 2).of(torch.arange(40.0).view(5, 8).T).T,  # as photometric changes are shared
    ],
    ids=["array", "transposed", "shared"],
)
def test_a_copy_is_from_one_piece_of_pinned_memory(monkeypatch, values):
    copied = []

    def copy(self, device, *, non_blocking):
        copied.append((self, str(device), non_blocking))
        return self

    pinned = set()
    monkeypatch.setattr(Tensor, "is_pinned", lambda self: id(self) in pinned)
    monkeypatch.setattr(Tensor, "pin_memory", lambda self: pinned.add(id(self)) or self)
    monkeypatch.setattr(Tensor, "to", copy)
    to_device(values, torch.device("cuda"))
    ((tensor, device, non_blocking),) = copied
    assert device == "cuda" and non_blocking and id(tensor) in pinned
    assert tensor.is_contiguous() and tensor.tolist() == values.tolist()
    to_device(tensor, torch.device("cuda"))
    assert copied[1][0] is tensor  # what is pinned already is not copied on the host
