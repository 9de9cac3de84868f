"""The sorting loss on CPUs: rows of values come in, losses and gradients come out.

It calls a C++ kernel in float32 that takes several rows at once in SIMD lanes.
"""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from neco.sorting.compiled.build import KernelUnavailableError, load_kernel
from neco.sorting.compiled.schedule import kernel_schedule
from neco.sorting.row_loss import Problem, RowResult

__all__ = ["KernelUnavailableError", "evaluate", "load_kernel"]

RELAXATIONS = {"cauchy": 0, "logistic": 1, "logistic_phi": 2}  # as in kernel.cpp
ROWS_PER_THREAD = 32  # fewer are not worth starting a thread for


class Network(ctypes.Structure):
    """`Network` in push_pull.h has the same fields in the same order."""

    _fields_ = (
        ("comparators", ctypes.c_void_p),
        ("quads", ctypes.c_void_p),
        ("step_has_quads", ctypes.c_void_p),
        ("units", ctypes.c_void_p),
        ("ranges", ctypes.c_void_p),
        ("width", ctypes.c_int64),
        ("comparator_count", ctypes.c_int64),
        ("steps", ctypes.c_int64),
        ("unit_count", ctypes.c_int64),
        ("most_kept", ctypes.c_int64),
    )


class Call(ctypes.Structure):
    """The kernel's arguments; `Call` in kernel.cpp has the same fields in the same order."""

    _fields_ = (
        ("student", ctypes.c_void_p),
        ("teacher", ctypes.c_void_p),
        ("loss", ctypes.c_void_p),
        ("floor", ctypes.c_void_p),
        ("student_gradient", ctypes.c_void_p),
        ("teacher_gradient", ctypes.c_void_p),
        ("network", Network),
        ("rows", ctypes.c_int64),
        ("columns", ctypes.c_int64),
        ("threads", ctypes.c_int64),
        ("relaxation", ctypes.c_int64),
        ("two_way", ctypes.c_int64),
        ("student_steepness", ctypes.c_float),
        ("teacher_steepness", ctypes.c_float),
        ("phi_lambda", ctypes.c_float),
        ("log_floor", ctypes.c_float),
    )


def evaluate(student: Tensor, teacher: Tensor, problem: Problem) -> RowResult:
    """Return the result of each row, in float32.

    student, teacher: (N, R) on the CPU. Up to torch.get_num_threads() threads are used.
    Raises KernelUnavailableError where the kernel cannot be built or loaded.
    """
    kernel = load_kernel()
    student, teacher = student.float().contiguous(), teacher.float().contiguous()
    rows, width = student.shape
    schedule = kernel_schedule(
        problem.network, width, problem.columns, kernel.neco_sorting_together()
    )
    loss, floor = torch.empty(rows), torch.empty(rows)
    student_gradient = torch.empty(rows, width) if problem.student_gradient else None
    teacher_gradient = torch.empty(rows, width) if problem.teacher_gradient else None
    call = Call(
        student=student.data_ptr(),
        teacher=teacher.data_ptr(),
        loss=loss.data_ptr(),
        floor=floor.data_ptr(),
        student_gradient=None if student_gradient is None else student_gradient.data_ptr(),
        teacher_gradient=None if teacher_gradient is None else teacher_gradient.data_ptr(),
        network=Network(
            comparators=schedule.comparators.ctypes.data,
            quads=schedule.quads.ctypes.data,
            step_has_quads=schedule.step_has_quads.ctypes.data,
            units=schedule.units.ctypes.data,
            ranges=schedule.ranges.ctypes.data,
            width=width,
            comparator_count=len(schedule.comparators) - 1,
            steps=len(schedule.step_has_quads),
            unit_count=len(schedule.units),
            most_kept=schedule.most_kept,
        ),
        rows=rows,
        columns=problem.columns,
        threads=max(1, min(torch.get_num_threads(), rows // ROWS_PER_THREAD)),
        relaxation=RELAXATIONS[problem.relaxation],
        two_way=problem.two_way,
        student_steepness=problem.student_steepness,
        teacher_steepness=problem.teacher_steepness,
        phi_lambda=problem.phi_lambda,
        log_floor=problem.log_floor,
    )
    if kernel.neco_sorting_loss(ctypes.addressof(call)):
        raise MemoryError("sorting loss: no memory for the kernel's scratch space")
    return RowResult(loss, floor, student_gradient, teacher_gradient)
