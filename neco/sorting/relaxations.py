"""Relaxed comparators: how much of a swap happens, as a smooth function of the difference.

For a comparator with values `low` and `high` and difference = high - low, `keep` is the weight of
leaving the two in place and `swap` = 1 - keep. Each is computed so that it is exact where it is
small: 1 - keep in floating point would lose it (a hazard at high steepness).
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from neco.errors import UserError

RelaxationName = Literal["cauchy", "logistic", "logistic_phi"]

# Keeps |difference| ** -phi_lambda finite at ties (the same constant as diffsort 0.2.0).
TIE_OFFSET = 1e-10


def swap_weights(
    difference: Tensor, relaxation: RelaxationName, steepness: float, phi_lambda: float
) -> tuple[Tensor, Tensor]:
    """Return (keep, swap), both shaped as `difference`, differentiable by autograd.

    cauchy: keep = arctan(steepness x) / pi + 1/2 (paper, section on differentiable sorting);
    logistic: keep = sigmoid(steepness x);
    logistic_phi: keep = sigmoid(steepness x / (|x| + 1e-10) ** phi_lambda) (paper, appendix).
    """
    if relaxation == "cauchy":
        scaled, one = difference * steepness, torch.ones_like(difference)
        return torch.atan2(one, -scaled) / math.pi, torch.atan2(one, scaled) / math.pi
    if relaxation == "logistic":
        scaled = difference * steepness
    elif relaxation == "logistic_phi":
        scaled = difference * steepness / (difference.abs() + TIE_OFFSET) ** phi_lambda
    else:
        raise UserError(
            f"sorting: unknown relaxation {relaxation!r}; use cauchy, logistic or logistic_phi"
        )
    return torch.sigmoid(scaled), torch.sigmoid(-scaled)


def swap_weights_slope(
    difference: Tensor,
    keep: Tensor,
    swap: Tensor,
    relaxation: RelaxationName,
    steepness: float,
    phi_lambda: float,
) -> Tensor:
    """Return d keep / d difference (= - d swap / d difference), shaped as `difference`."""
    if relaxation == "cauchy":
        return (steepness / math.pi) / (1 + (difference * steepness) ** 2)
    slope = keep * swap * steepness
    if relaxation == "logistic":
        return slope
    magnitude = difference.abs()
    offset = magnitude + TIE_OFFSET
    return slope * offset**-phi_lambda * (1 - phi_lambda * magnitude / offset)
