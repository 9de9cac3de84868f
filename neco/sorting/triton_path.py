"""The sorting loss on GPUs: rows of values come in, losses and gradients come out.

It launches the kernels of triton_kernel.py, for bitonic networks and in float32.

With TRITON_INTERPRET=1 in the environment before the first import of triton, the same kernels run
on CPU tensors, slowly: that is how they are tested without a GPU.
"""

from __future__ import annotations

import os
from functools import cache
from importlib.util import find_spec
from shutil import which

import torch
from torch import Tensor

from neco.sorting.networks import NetworkName
from neco.sorting.row_loss import Problem, RowResult

WIDEST = 256
"""Most values of a row. The kernels of wider networks take minutes to compile."""
GROUP_BITS = 2
"""2 ** GROUP_BITS inputs are pushed at a time: as many as fit the registers."""
ROWS_AT_ONCE = 4096
"""Rows of one launch. It bounds the memory of the tables: 16 kB for each row and side at R = 64."""


def can_run(network: NetworkName, width: int) -> bool:
    """Return whether this path covers the network at this width (bitonic, 2..256)."""
    return network == "bitonic" and 2 <= width <= WIDEST


@cache
def missing() -> str | None:
    """Return what Triton lacks here to start a kernel on a GPU, or None.

    Triton builds its launcher with a C compiler and Python's headers. It reports that they are
    missing only at the first launch, which is too late.
    """
    if find_spec("triton") is None:
        return "triton is not installed"
    if os.environ.get("TRITON_INTERPRET") == "1":
        return None
    if not (os.environ.get("CC") or which("gcc") or which("clang")):
        return "Triton needs a C compiler (gcc, clang, or one that CC names) and there is none"
    if torch.cuda.is_available():
        from triton.runtime import driver

        try:
            driver.active.get_current_target()
        except Exception as error:  # whatever compiler and loader raise
            return f"Triton cannot build its launcher ({type(error).__name__}: {error})"
    return None


def evaluate(student: Tensor, teacher: Tensor, problem: Problem) -> RowResult:
    """Return the result of each row, in float32.

    student, teacher: (N, R) on CUDA, or on the CPU in Triton's interpreter.
    """
    with torch.cuda.device_of(student):  # Triton starts kernels on the current device
        return _evaluate(student, teacher, problem)


def _evaluate(student: Tensor, teacher: Tensor, problem: Problem) -> RowResult:
    student, teacher = student.float().contiguous(), teacher.float().contiguous()
    result = RowResult(
        student.new_zeros(len(student)),
        student.new_zeros(len(student)),
        torch.empty_like(student) if problem.student_gradient else None,
        torch.empty_like(teacher) if problem.teacher_gradient else None,
    )
    for first in range(0, len(student), ROWS_AT_ONCE):
        rows = slice(first, first + ROWS_AT_ONCE)
        part = RowResult(
            result.loss[rows],
            result.floor[rows],
            None if result.student_gradient is None else result.student_gradient[rows],
            None if result.teacher_gradient is None else result.teacher_gradient[rows],
        )
        _evaluate_rows(student[rows], teacher[rows], problem, part)
    result.loss.div_(-problem.columns)
    result.floor.div_(-problem.columns)
    return result


def _evaluate_rows(student: Tensor, teacher: Tensor, problem: Problem, result: RowResult) -> None:
    from neco.sorting.triton_kernel import compare_rows

    student_side = _Side(student, problem, problem.student_steepness, result.student_gradient)
    teacher_side = _Side(teacher, problem, problem.teacher_steepness, result.teacher_gradient)
    sides = [(student_side, teacher_side)]
    if problem.teacher_gradient:
        sides.append((teacher_side, student_side))
    for side in sides[0]:
        side.sort_values(result.loss)
    for number, (own, other) in enumerate(sides):
        # The second launch is for the other side's slopes. Its sums equal those of the first.
        sums = torch.zeros_like(result.loss) if number else result.loss
        compare_rows[(len(student),)](
            own.weights,
            other.weights,
            own.slopes,
            sums,
            torch.empty_like(result.floor) if number else result.floor,
            student.shape[1],
            problem.columns,
            problem.log_floor,
            EXPONENT=own.exponent,
            GROUP_BITS=min(own.exponent, GROUP_BITS),
            TWO_WAY=problem.two_way,
            DIFFERENTIATE=own.gradient is not None,
            num_warps=own.warps,
        )
    for side in sides[0]:
        side.pull_values()


class _Side:
    """The values (rows, R) of the student or of the teacher, and their tables of comparators.

    The tables are weights, differences and slopes, as in triton_kernel.py. The last two stay empty
    where no gradient is wanted.
    """

    def __init__(
        self, values: Tensor, problem: Problem, steepness: float, gradient: Tensor | None
    ) -> None:
        rows, self.width = values.shape
        self.values, self.problem, self.gradient = values, problem, gradient
        self.steepness = float(steepness)
        self.exponent = (self.width - 1).bit_length()
        self.warps = 2 ** max(0, self.exponent - 6)
        shape = (rows, self.exponent * (self.exponent + 1) // 2, 2**self.exponent)
        kept = shape if gradient is not None else (0,)
        self.weights = values.new_empty(shape)
        self.differences, self.slopes = values.new_empty(kept), values.new_empty(kept)

    def sort_values(self, sums: Tensor) -> None:
        """Fill the tables, and add NaN to sums (rows,) where values are not finite."""
        from neco.sorting.triton_kernel import sort_values

        sort_values[(len(self.values),)](
            self.values,
            self.weights,
            self.differences,
            self.slopes,
            sums,
            self.width,
            self.steepness,
            float(self.problem.phi_lambda),
            EXPONENT=self.exponent,
            RELAXATION=self.problem.relaxation,
            DIFFERENTIATE=self.gradient is not None,
            num_warps=self.warps,
        )

    def pull_values(self) -> None:
        """Write the gradient from the slopes, if it is wanted."""
        from neco.sorting.triton_kernel import pull_values

        if self.gradient is None:
            return
        pull_values[(len(self.values),)](
            self.gradient,
            self.weights,
            self.differences,
            self.slopes,
            self.width,
            self.steepness,
            float(self.problem.phi_lambda),
            -1.0 / self.problem.columns,
            EXPONENT=self.exponent,
            RELAXATION=self.problem.relaxation,
            num_warps=self.warps,
        )
