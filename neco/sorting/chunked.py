"""The sorting loss in plain PyTorch: rows of values come in, losses and gradients come out.

It runs on any device, without a compiler, in bounded memory. Two facts make it cheaper than
autograd over Q:

- The swap weights depend on the R values only. So the values are sorted first, and the R x R matrix
  is then pushed through the network with known weights.
- On the way back a comparator needs only the difference of its two inputs. So nothing else is kept,
  and that for a chunk of rows at a time.

Matrices are laid out (wire, input, row), so that the weights of a comparator apply to contiguous
memory. As long as a bitonic network works inside groups of wires, only the inputs of a wire's own
group are stored for the wire.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from neco.sorting.chunked_plan import Plan, StagePlan, chunked_plan
from neco.sorting.reference import at_least_float32
from neco.sorting.relaxations import swap_weights, swap_weights_slope
from neco.sorting.row_loss import Problem, RowResult

CPU_CHUNK_ELEMENTS, GPU_CHUNK_ELEMENTS = 300_000, 16_000_000
"""Elements of one matrix (R x R x rows) in a chunk. For a CPU they are few enough for its caches
and enough to hide the cost of a call: of 100,000 to 800,000, 300,000 was fastest at R = 49."""


def evaluate(student: Tensor, teacher: Tensor, problem: Problem) -> RowResult:
    """Return the result of each row of student and teacher, (N, R), computed in chunks of rows."""
    student, teacher = at_least_float32(student), at_least_float32(teacher)
    elements = CPU_CHUNK_ELEMENTS if student.device.type == "cpu" else GPU_CHUNK_ELEMENTS
    rows = max(1, elements // student.shape[1] ** 2)
    chunks = [
        _evaluate_chunk(student_rows, teacher_rows, problem)
        for student_rows, teacher_rows in zip(student.split(rows), teacher.split(rows), strict=True)
    ]

    def joined(parts: list[Tensor | None]) -> Tensor | None:
        present = [part for part in parts if part is not None]
        return torch.cat(present) if present else None

    return RowResult(
        torch.cat([chunk.loss for chunk in chunks]),
        torch.cat([chunk.floor for chunk in chunks]),
        joined([chunk.student_gradient for chunk in chunks]),
        joined([chunk.teacher_gradient for chunk in chunks]),
    )


def _evaluate_chunk(student: Tensor, teacher: Tensor, problem: Problem) -> RowResult:
    student_sort = _Sort(student, problem, problem.student_steepness)
    teacher_sort = _Sort(teacher, problem, problem.teacher_steepness)
    columns, floor = problem.columns, problem.log_floor
    student_matrix = student_sort.push(keep_differences=problem.student_gradient)[:columns]
    teacher_matrix = teacher_sort.push(keep_differences=problem.teacher_gradient)[:columns]
    student_log = student_matrix.clamp_min(floor).log_()  # (K, R, rows): position, input, row
    teacher_log = teacher_matrix.clamp_min(floor).log_()

    def cross(target: Tensor, log: Tensor) -> Tensor:
        return (target * log).sum(dim=(0, 1)) / -columns

    loss, entropy = cross(teacher_matrix, student_log), cross(teacher_matrix, teacher_log)
    if problem.two_way:
        loss += cross(student_matrix, teacher_log)
        entropy += cross(student_matrix, student_log)

    def gradient(sort: _Sort, own: Tensor, other: Tensor, other_log: Tensor) -> Tensor:
        slope = torch.where(own >= floor, other / own, 0)
        if problem.two_way:
            slope += other_log
        return sort.pull(slope.div_(-columns))

    return RowResult(
        loss,
        entropy,
        gradient(student_sort, student_matrix, teacher_matrix, teacher_log)
        if problem.student_gradient
        else None,
        gradient(teacher_sort, teacher_matrix, student_matrix, student_log)
        if problem.teacher_gradient
        else None,
    )


class _Sort:
    """The sort of one side of a chunk: a network and the swap weights that the values lead to."""

    def __init__(self, values: Tensor, problem: Problem, steepness: float) -> None:
        """Sort values (rows, R), and keep each layer's difference, keep and swap weights.

        Each of the three is (comparators, rows).
        """
        self.plan: Plan = chunked_plan(problem.network, values.shape[1], values.device)
        self.problem, self.steepness = problem, steepness
        self.weights: list[tuple[Tensor, Tensor, Tensor]] = []
        self.differences: list[Tensor] = []
        wires = values.T.contiguous()  # (R, rows)
        self.identity = self.plan.identity.to(wires).unsqueeze(2).expand(-1, -1, wires.shape[1])
        for stage in self.plan.stages:
            for layer in stage.layers:
                wires = wires[layer.gather]
                low, high = (
                    wires[: layer.comparators],
                    wires[layer.comparators : 2 * layer.comparators],
                )
                keep, swap = swap_weights(
                    high - low, problem.relaxation, steepness, problem.phi_lambda
                )
                self.weights.append((high - low, keep, swap))
                wires = _apply_layer(wires, keep, swap)
            wires = wires[stage.finish]

    def push(self, *, keep_differences: bool) -> Tensor:
        """Return the matrices Q, as (sorted position, input, row).

        keep_differences: keep what `pull` needs.
        """
        matrix = self.identity
        weights = iter(self.weights)
        for stage in self.plan.stages:
            matrix = self._grow(matrix, stage)
            for layer in stage.layers:
                matrix = matrix[layer.gather]
                if keep_differences:
                    count = layer.comparators
                    self.differences.append(matrix[:count] - matrix[count : 2 * count])
                _, keep, swap = next(weights)
                matrix = _apply_layer(matrix, keep.unsqueeze(1), swap.unsqueeze(1))
            matrix = matrix[stage.finish]
        return matrix

    def pull(self, slope: Tensor) -> Tensor:
        """Return d loss / d values (rows, R) from slope = d loss / d Q (K, R, rows).

        It uses up what the layers kept, so it can be called once.
        """
        width = self.plan.width
        slope = functional.pad(slope, (0, 0, 0, 0, 0, width - slope.shape[0]))
        values_slope = torch.zeros_like(slope[:, 0])  # (R, rows): the sorted values are not used
        problem = self.problem
        for stage in reversed(self.plan.stages):
            slope, values_slope = slope[stage.start], values_slope[stage.start]
            for layer in reversed(stage.layers):
                count = layer.comparators
                difference, keep, swap = self.weights.pop()
                spread = slope[:count] - slope[count : 2 * count]
                keep_slope = spread.mul_(self.differences.pop()).sum(dim=1)
                keep_slope -= (values_slope[:count] - values_slope[count : 2 * count]) * difference
                keep_slope *= swap_weights_slope(
                    difference, keep, swap, problem.relaxation, self.steepness, problem.phi_lambda
                )
                slope = _apply_layer(slope, keep.unsqueeze(1), swap.unsqueeze(1))[layer.scatter]
                values_slope = _apply_layer(values_slope, keep, swap)
                values_slope[:count] -= keep_slope
                values_slope[count : 2 * count] += keep_slope
                values_slope = values_slope[layer.scatter]
            slope = self._shrink(slope, stage)
        return values_slope.T.contiguous()

    def _grow(self, matrix: Tensor, stage: StagePlan) -> Tensor:
        """Return (R, group, rows) from (R, half the group, rows), zero for the new half."""
        if stage.half is None:
            return matrix
        wires, inputs, rows = matrix.shape
        grown = matrix.new_zeros(2 * wires, inputs, rows).index_copy_(0, stage.half, matrix)
        return grown.view(wires, 2 * inputs, rows)[:, stage.absent :]

    def _shrink(self, slope: Tensor, stage: StagePlan) -> Tensor:
        """Return the half that `_grow` filled; the transpose of `_grow`."""
        if stage.half is None:
            return slope
        slope = functional.pad(slope, (0, 0, stage.absent, 0))
        wires, inputs, rows = slope.shape
        return slope.view(2 * wires, inputs // 2, rows)[stage.half]


def _apply_layer(wires: Tensor, keep: Tensor, swap: Tensor) -> Tensor:
    """Return [low; high; others] after the comparators of a layer, which is its own transpose."""
    count = len(keep)
    low, high = wires[:count], wires[count : 2 * count]
    compared = torch.empty_like(wires)
    torch.mul(low, keep, out=compared[:count]).addcmul_(high, swap)
    torch.mul(low, swap, out=compared[count : 2 * count]).addcmul_(high, keep)
    compared[2 * count :] = wires[2 * count :]
    return compared
