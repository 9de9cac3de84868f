"""Relaxed comparators: the difference of two values comes in, how much of a swap happens comes out.

For a comparator with values `low` and `high`, difference = high - low. `keep` is the weight of
leaving the two in place, and `swap` is 1 - keep. Each of the two has a formula of its own that is
exact where it is small. 1 - keep in floating point would lose a small `swap`, which occurs at high
steepness.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from neco.errors import UserError

RelaxationName = Literal["cauchy", "logistic", "logistic_phi"]

TIE_OFFSET = 1e-10
"""Keeps |difference| ** -phi_lambda finite at ties. diffsort 0.2.0 has the same constant."""


def swap_weights(
    difference: Tensor, relaxation: RelaxationName, steepness: float, phi_lambda: float
) -> tuple[Tensor, Tensor]:
    """Return keep and swap, both shaped as `difference`. Autograd can differentiate them.

    With x the difference, keep is
    cauchy: arctan(steepness x) / pi + 1/2 (paper, section on differentiable sorting);
    logistic: sigmoid(steepness x);
    logistic_phi: sigmoid(steepness x / (|x| + TIE_OFFSET) ** phi_lambda) (paper, appendix).

    Raises UserError for another relaxation.
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
    """Return d keep / d difference, shaped as `difference`. That of swap is its negative."""
    if relaxation == "cauchy":
        return (steepness / math.pi) / (1 + (difference * steepness) ** 2)
    slope = keep * swap * steepness
    if relaxation == "logistic":
        return slope
    magnitude = difference.abs()
    offset = magnitude + TIE_OFFSET
    return slope * offset**-phi_lambda * (1 - phi_lambda * magnitude / offset)
