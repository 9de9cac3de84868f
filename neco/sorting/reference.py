"""The relaxed sort and its cross-entropy, in their plain form: values come in, whole matrices Q and
losses come out, and autograd finds the gradient.

Every fast implementation is tested against this slow one. Figures and tests take Q from here.
"""

from __future__ import annotations

import torch
from torch import Tensor

from neco.errors import UserError
from neco.sorting.networks import NetworkName, sorting_network
from neco.sorting.relaxations import RelaxationName, swap_weights


def soft_sort(
    values: Tensor,
    *,
    network: NetworkName,
    relaxation: RelaxationName,
    steepness: float,
    phi_lambda: float = 0.25,
) -> tuple[Tensor, Tensor]:
    """Sort each row softly, ascending.

    values: (N, R). float16 and bfloat16 are sorted in float32, and the result is float32.
    Returns the sorted values (N, R) and Q (N, R, R). Q[n, j, k] is the weight of input j at sorted
    position k, where k = 0 is the smallest: sorted[n, k] = sum_j values[n, j] Q[n, j, k]. Rows and
    columns of Q sum to 1. The orientation is that of diffsort 0.2.0.

    Raises UserError when `values` is not a matrix of 1..1024 columns.
    """
    if values.ndim != 2:
        raise UserError(f"soft_sort: values has shape {tuple(values.shape)}; pass (N, R)")
    wires = at_least_float32(values)  # (N, R)
    width = wires.shape[1]
    matrix = torch.eye(width, dtype=wires.dtype, device=wires.device)
    matrix = matrix.expand(wires.shape[0], -1, -1)  # (N, R, R): input j on wire w
    for layer in sorting_network(network, width).layers:
        low_wire = torch.as_tensor(layer.low, device=wires.device)
        high_wire = torch.as_tensor(layer.high, device=wires.device)
        low, high = wires[:, low_wire], wires[:, high_wire]  # (N, comparators)
        keep, swap = swap_weights(high - low, relaxation, steepness, phi_lambda)
        wires = wires.index_copy(1, low_wire, keep * low + swap * high)
        wires = wires.index_copy(1, high_wire, swap * low + keep * high)
        low, high = matrix[:, :, low_wire], matrix[:, :, high_wire]  # (N, R, comparators)
        keep, swap = keep.unsqueeze(1), swap.unsqueeze(1)
        matrix = matrix.index_copy(2, low_wire, keep * low + swap * high)
        matrix = matrix.index_copy(2, high_wire, swap * low + keep * high)
    return wires, matrix


def at_least_float32(values: Tensor) -> Tensor:
    """Return values in float32, or unchanged when they are float64."""
    return values if values.dtype == torch.float64 else values.float()


def cross_entropy(target: Tensor, prediction: Tensor, log_floor: float) -> Tensor:
    """Return (N,): the cross-entropy -sum_j target log(prediction), as the mean over columns.

    target, prediction: (N, R, K), whose columns are sorted positions. A prediction below log_floor
    counts as log_floor, so that log(0) does not occur.
    """
    columns = target.shape[2]
    return -(target * prediction.clamp_min(log_floor).log()).sum(dim=(1, 2)) / columns
