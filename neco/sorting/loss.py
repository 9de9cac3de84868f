"""The sorting loss: rows of values of student and teacher come in, each row's loss comes out.

`sorting_cross_entropy` stands in front of every implementation.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from neco.config.loss import Sorting
from neco.errors import UserError
from neco.sorting import reference
from neco.sorting.implementations import choose
from neco.sorting.row_loss import Problem, RowLoss


class SortSettings(Sorting):
    """How both sides are sorted and compared: the settings `loss.sorting` and `loss.two_way`.

    The steepness has the inverse unit of the values.
    """

    two_way: bool = False
    """Add the cross-entropy with the roles of the two sides exchanged, as in the paper. The
    released code is one-way."""


class SortingLoss(NamedTuple):
    """The loss of every row. Report `loss - floor`: training cannot lower the floor."""

    loss: Tensor
    """(N,), differentiable."""
    floor: Tensor
    """(N,), without gradient: the entropy of the targets, below which the loss cannot go."""


def sorting_cross_entropy(
    student: Tensor,
    teacher: Tensor,
    settings: SortSettings,
    *,
    row_mask: Tensor | None = None,
    top_k: int | None = None,
) -> SortingLoss:
    """Compare how the student and the teacher order the same references.

    student, teacher: (N, R) distances, each row softly sorted in ascending order.
    row_mask: (N,) bool; rows that are False get loss 0, floor 0 and no gradient.
    top_k: how many columns enter, from the first sorted position on. For distances these are the
    nearest references. None lets all R enter.

    Qs and Qt are the relaxed permutations of a row: their rows are inputs j, their columns are
    sorted positions k. With K columns, the loss of the row is
    -(1/K) sum_{j,k} Qt[j,k] log max(Qs[j,k], log_floor), and the floor is the entropy of Qt. With
    two_way, the same with Qs and Qt exchanged is added to both.

    One way, gradient flows to the student only. Two ways, it flows to each of student and teacher
    that requires it, through both terms.

    Source: paper, equations of the method section. The mean over rows, one way and with all
    columns, is the released code's loss.

    Raises UserError for shapes, widths, masks or settings that do not fit.
    """
    if student.ndim != 2 or student.shape != teacher.shape:
        raise UserError(
            f"sorting loss: student {tuple(student.shape)} and teacher {tuple(teacher.shape)} "
            "must be the same (N, R)"
        )
    columns = student.shape[1] if top_k is None else min(top_k, student.shape[1])
    if columns < 1:
        raise UserError(f"sorting loss: top_k {top_k} leaves no position; use 1 or more")
    if not settings.two_way:
        teacher = teacher.detach()
    if row_mask is None:
        return _compare(student, teacher, settings, columns)
    if row_mask.shape != student.shape[:1] or row_mask.dtype != torch.bool:
        raise UserError(
            f"sorting loss: row_mask is {row_mask.dtype} {tuple(row_mask.shape)}; "
            f"pass torch.bool ({student.shape[0]},)"
        )
    rows = row_mask.nonzero().squeeze(1)
    kept = _compare(student[rows], teacher[rows], settings, columns)
    return SortingLoss(
        *(part.new_zeros(student.shape[0]).index_copy(0, rows, part) for part in kept)
    )


def _compare(student: Tensor, teacher: Tensor, settings: SortSettings, columns: int) -> SortingLoss:
    if settings.implementation == "reference":
        return _reference(student, teacher, settings, columns)
    problem = Problem(
        network=settings.network,
        relaxation=settings.relaxation,
        student_steepness=settings.student_steepness,
        teacher_steepness=settings.teacher_steepness,
        phi_lambda=settings.phi_lambda,
        log_floor=settings.log_floor,
        two_way=settings.two_way,
        columns=columns,
        student_gradient=torch.is_grad_enabled() and student.requires_grad,
        teacher_gradient=torch.is_grad_enabled() and teacher.requires_grad,
    )
    evaluate = choose(settings.implementation, settings.network, student)
    return SortingLoss(*RowLoss.apply(student, teacher, evaluate, problem))


def _reference(
    student: Tensor, teacher: Tensor, settings: SortSettings, columns: int
) -> SortingLoss:
    student_matrix, teacher_matrix = (
        reference.soft_sort(
            values,
            network=settings.network,
            relaxation=settings.relaxation,
            steepness=steepness,
            phi_lambda=settings.phi_lambda,
        )[1][:, :, :columns]
        for values, steepness in (
            (student, settings.student_steepness),
            (teacher, settings.teacher_steepness),
        )
    )
    log_floor = settings.log_floor
    loss = reference.cross_entropy(teacher_matrix, student_matrix, log_floor)
    floor = reference.cross_entropy(teacher_matrix, teacher_matrix, log_floor).detach()
    if settings.two_way:
        loss = loss + reference.cross_entropy(student_matrix, teacher_matrix, log_floor)
        floor = floor + reference.cross_entropy(student_matrix, student_matrix, log_floor).detach()
    return SortingLoss(loss, floor)
