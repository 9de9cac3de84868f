"""What every fast implementation shares: the problem that comes in, the result that goes out, and
the function of autograd around both.

The loss of a row depends on that row only. So its gradient is computed together with its value, and
Q need not be kept. The backward pass only multiplies.
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
    """What one call has to compute. The first seven fields are settings, as in SortSettings."""

    network: NetworkName
    relaxation: RelaxationName
    student_steepness: float
    teacher_steepness: float
    phi_lambda: float
    log_floor: float
    two_way: bool
    columns: int
    """How many columns of Q enter the loss, from the first sorted position on."""
    student_gradient: bool
    """Whether the student's gradient is asked for."""
    teacher_gradient: bool
    """Whether the teacher's gradient is asked for."""


class RowResult(NamedTuple):
    """The result of each row. A gradient is None where it is not asked for."""

    loss: Tensor
    """(N,)"""
    floor: Tensor
    """(N,): the entropy of the target, which the loss cannot go below."""
    student_gradient: Tensor | None
    """(N, R): d loss[n] / d student[n]"""
    teacher_gradient: Tensor | None
    """(N, R): d loss[n] / d teacher[n]"""


Evaluate = Callable[[Tensor, Tensor, Problem], RowResult]


class RowLoss(torch.autograd.Function):
    """The loss (N,) and floor (N,) of student and teacher (N, R), from an `Evaluate` function."""

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
