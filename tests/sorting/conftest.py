"""What several sorting tests share: an independent sort (diffsort), features, tolerances."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import diffsort
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from neco.sorting import SortSettings, sorting_cross_entropy
from neco.sorting.row_loss import Problem, RowResult


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def settings() -> Callable[..., SortSettings]:
    """SortSettings with the reference implementation's values, changed by keyword."""

    def make(**changes: object) -> SortSettings:
        chosen: dict = {
            "network": "bitonic",
            "relaxation": "cauchy",
            "student_steepness": 100.0,
            "teacher_steepness": 100.0,
            "two_way": False,
        }
        return SortSettings(**chosen | changes)

    return make


@pytest.fixture
def diffsort_matrix() -> Callable[..., Tensor]:
    """(values (N, R), network, relaxation, steepness) -> sorted (N, R), Q (N, R, R), in the dtype
    of the values: an implementation that shares no line with ours."""

    def sort(
        values: Tensor, network: str, relaxation: str, steepness: float
    ) -> tuple[Tensor, Tensor]:
        sorter = diffsort.DiffSortNet(
            network, values.shape[1], steepness=steepness, distribution=relaxation
        )
        sorter.sorting_network = [
            [matrix.to(values.dtype) for matrix in layer] for layer in sorter.sorting_network
        ]
        return sorter(values)

    return sort


@pytest.fixture
def problem() -> Callable[..., Problem]:
    """A Problem with everything asked for, changed by keyword."""

    def make(**changes: object) -> Problem:
        chosen: dict = {
            "network": "bitonic",
            "relaxation": "cauchy",
            "student_steepness": 50.0,
            "teacher_steepness": 80.0,
            "phi_lambda": 0.25,
            "log_floor": 1e-30,
            "two_way": True,
            "columns": 1,
            "student_gradient": True,
            "teacher_gradient": True,
        }
        return Problem(**chosen | changes)

    return make


@pytest.fixture
def reference_result() -> Callable[..., RowResult]:
    """(student, teacher, Problem) -> RowResult in float64, by autograd through soft_sort."""

    def evaluate(student: Tensor, teacher: Tensor, problem: Problem) -> RowResult:
        student, teacher = (side.detach().double().requires_grad_() for side in (student, teacher))
        loss, floor = sorting_cross_entropy(
            student,
            teacher if problem.teacher_gradient else teacher.detach(),
            SortSettings(
                network=problem.network,
                relaxation=problem.relaxation,
                student_steepness=problem.student_steepness,
                teacher_steepness=problem.teacher_steepness,
                phi_lambda=problem.phi_lambda,
                log_floor=problem.log_floor,
                two_way=problem.two_way,
                implementation="reference",
            ),
            top_k=problem.columns,
        )
        loss.sum().backward()
        return RowResult(loss.detach(), floor, student.grad, teacher.grad)

    return evaluate


@pytest.fixture
def cosines() -> Callable[..., Tensor]:
    """(kind, rows, width) -> cosine similarities of features to references, float64."""

    def make(kind: str, rows: int, width: int, dimension: int = 32) -> Tensor:
        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, dtype=torch.float64)

        if kind == "constant":
            return torch.full((rows, width), 0.3, dtype=torch.float64)
        if kind == "random":
            features, references = normal(rows, dimension), normal(width, dimension)
        elif kind == "clustered":
            centres = normal(3, dimension)
            features, references = (
                centres[torch.randint(3, (count,))] + 0.05 * normal(count, dimension)
                for count in (rows, width)
            )
        elif kind == "collapsed":
            features, references = (1 + 1e-4 * normal(count, dimension) for count in (rows, width))
        else:
            raise ValueError(kind)
        return functional.normalize(features, dim=1) @ functional.normalize(references, dim=1).T

    return make
