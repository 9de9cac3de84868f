"""What every fast implementation shares: the problem that it solves, and its place in autograd.

The loss of a row depends on that row only, so its gradient can be computed together with its
value, in one visit, without keeping Q: the backward pass is a multiplication.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from neco.sorting.networks import NetworkName
from neco.sorting.relaxations import RelaxationName


@dataclass(frozen=True)
class Problem:
    """What one call has to compute: with which networks, on which values, and whose gradient."""

    network: NetworkName
    relaxation: RelaxationName
    student_steepness: float
    teacher_steepness: float
    phi_lambda: float
    log_floor: float
    two_way: bool
    columns: int
    student_gradient: bool
    teacher_gradient: bool


class RowResult(NamedTuple):
    """The result for each row: loss (N,), entropy floor (N,), and where it is asked for the
    gradient d loss[n] / d values[n], (N, R)."""

    loss: Tensor
    floor: Tensor
    student_gradient: Tensor | None
    teacher_gradient: Tensor | None


Evaluate = Callable[[Tensor, Tensor, Problem], RowResult]


class RowLoss(torch.autograd.Function):
    """(student (N, R), teacher (N, R)) -> (loss (N,), floor (N,)) through an `Evaluate`."""

    @staticmethod
    def forward(
        ctx: Any, student: Tensor, teacher: Tensor, evaluate: Evaluate, problem: Problem
    ) -> tuple[Tensor, Tensor]:
        result = evaluate(student.detach(), teacher.detach(), problem)
        ctx.save_for_backward(result.student_gradient, result.teacher_gradient)
        ctx.dtypes = student.dtype, teacher.dtype
        ctx.mark_non_differentiable(result.floor)
        return result.loss, result.floor

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, loss_gradient: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        scale = loss_gradient.unsqueeze(1)
        gradients = (
            None if rows is None else within_range(rows * scale, dtype)
            for rows, dtype in zip(ctx.saved_tensors, ctx.dtypes, strict=True)
        )
        return (*gradients, None, None)


def within_range(gradient: Tensor, dtype: torch.dtype) -> Tensor:
    """Return a gradient in dtype. What float16 cannot hold becomes its largest number, not inf."""
    if dtype == torch.float16:
        largest = torch.finfo(dtype).max
        gradient = gradient.clamp(-largest, largest)
    return gradient.to(dtype)
