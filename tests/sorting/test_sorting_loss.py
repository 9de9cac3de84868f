"""The loss as its callers see it, the same for every implementation that runs here."""

import shutil

import pytest
import torch
from torch.nn import functional

from neco.errors import UserError
from neco.sorting import soft_sort, sorting_cross_entropy

no_compiler = pytest.mark.skipif(shutil.which("c++") is None, reason="no compiler")
IMPLEMENTATIONS = ["reference", "torch", pytest.param("compiled", marks=no_compiler)]
every_implementation = pytest.mark.parametrize("implementation", IMPLEMENTATIONS)


def pair(rows=5, width=9):
    return torch.rand(rows, width, requires_grad=True), torch.rand(rows, width, requires_grad=True)


@every_implementation
def test_value_and_floor_follow_the_formula(implementation, settings):
    student, teacher = pair()
    chosen = settings(implementation=implementation, student_steepness=30.0, teacher_steepness=70.0)
    loss, floor = sorting_cross_entropy(student, teacher, chosen)
    for row in range(5):
        student_matrix, teacher_matrix = (
            soft_sort(side[row : row + 1], network="bitonic", relaxation="cauchy", steepness=s)[1]
            for side, s in ((student, 30.0), (teacher, 70.0))
        )
        expected = -(teacher_matrix * student_matrix.log()).sum() / 9
        entropy = -(teacher_matrix * teacher_matrix.log()).sum() / 9
        assert loss[row].item() == pytest.approx(expected.item(), rel=1e-5)
        assert floor[row].item() == pytest.approx(entropy.item(), rel=1e-5)
    assert not floor.requires_grad


@every_implementation
@pytest.mark.parametrize("network", ["bitonic", "odd_even"])
@pytest.mark.parametrize(("relaxation", "steepness"), [("cauchy", 100.0), ("logistic", 30.0)])
def test_the_gradient_to_features_is_that_of_diffsort(
    implementation, network, relaxation, steepness, settings, diffsort_matrix
):
    features, teacher_features, references = (torch.randn(2, 49, 64) for _ in range(3))

    def similarities(sides, other):
        return torch.einsum(
            "bnd,brd->bnr", functional.normalize(sides, dim=2), functional.normalize(other, dim=2)
        ).flatten(0, 1)

    exact = features.double().requires_grad_()
    student_matrix, teacher_matrix = (
        diffsort_matrix(similarities(side, references.double()), network, relaxation, steepness)[1]
        for side in (exact, teacher_features.double())
    )
    expected = -(teacher_matrix * student_matrix.clamp_min(1e-30).log()).sum(dim=2).mean()
    expected.backward()

    features.requires_grad_()
    loss = sorting_cross_entropy(
        similarities(features, references),
        similarities(teacher_features, references),
        settings(
            implementation=implementation,
            network=network,
            relaxation=relaxation,
            student_steepness=steepness,
            teacher_steepness=steepness,
        ),
    ).loss.mean()
    loss.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    error = (features.grad - exact.grad).abs().max() / exact.grad.abs().max()
    assert error < 1e-5


@every_implementation
def test_equal_sides_reach_the_floor_and_others_stay_above(implementation, settings):
    student, teacher = pair()
    chosen = settings(implementation=implementation)
    equal = sorting_cross_entropy(student, student.detach(), chosen)
    torch.testing.assert_close(equal.loss, equal.floor)
    equal.loss.sum().backward()
    assert student.grad.abs().max() < 1e-3  # a minimum
    other = sorting_cross_entropy(student, teacher, chosen)
    assert (other.loss > other.floor + 0.1).all()


@every_implementation
def test_one_way_leaves_the_teacher_without_gradient(implementation, settings):
    student, teacher = pair()
    sorting_cross_entropy(
        student, teacher, settings(implementation=implementation)
    ).loss.sum().backward()
    assert student.grad.abs().max() > 0
    assert teacher.grad is None


@every_implementation
def test_two_way_is_symmetric(implementation, settings):
    student, teacher = pair()
    chosen = settings(implementation=implementation, two_way=True, student_steepness=20.0,
                      teacher_steepness=20.0)  # fmt: skip
    there, back = (
        sorting_cross_entropy(*sides, chosen) for sides in ((student, teacher), (teacher, student))
    )
    torch.testing.assert_close(there.loss, back.loss)
    torch.testing.assert_close(there.floor, back.floor)
    gradients = torch.autograd.grad(there.loss.sum(), (student, teacher))
    torch.testing.assert_close(gradients, torch.autograd.grad(back.loss.sum(), (student, teacher)))
    # A teacher without gradient changes nothing for the student.
    alone = sorting_cross_entropy(student, teacher.detach(), chosen)
    torch.testing.assert_close(torch.autograd.grad(alone.loss.sum(), student)[0], gradients[0])


@every_implementation
def test_masked_rows_count_for_nothing(implementation, settings):
    student, teacher = pair(rows=40)
    mask = torch.rand(40) > 0.5
    chosen = settings(implementation=implementation)
    masked = sorting_cross_entropy(student, teacher, chosen, row_mask=mask)
    full = sorting_cross_entropy(student, teacher, chosen)
    for part, whole in zip(masked, full, strict=True):
        torch.testing.assert_close(part, torch.where(mask, whole, 0))
    masked.loss.sum().backward()
    assert (student.grad[~mask] == 0).all()
    assert (student.grad[mask].abs().sum(dim=1) > 0).all()
    none = sorting_cross_entropy(student, teacher, chosen, row_mask=torch.zeros(40).bool())
    none.loss.sum().backward()
    assert none.loss.tolist() == [0] * 40


@every_implementation
@pytest.mark.parametrize("network", ["bitonic", "odd_even"])
def test_top_k_compares_the_first_positions_only(implementation, network, settings):
    student, teacher = pair()
    chosen = settings(implementation=implementation, network=network)
    student_matrix, teacher_matrix = (
        soft_sort(side, network=network, relaxation="cauchy", steepness=100.0)[1][:, :, :3]
        for side in (student, teacher)
    )
    expected = -(teacher_matrix * student_matrix.log()).sum(dim=(1, 2)) / 3
    loss = sorting_cross_entropy(student, teacher, chosen, top_k=3).loss
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(
        torch.autograd.grad(loss.sum(), student)[0],
        torch.autograd.grad(expected.sum(), student)[0],
        rtol=1e-3,
        atol=1e-4,
    )
    beyond = sorting_cross_entropy(student, teacher, chosen, top_k=100).loss
    torch.testing.assert_close(beyond, sorting_cross_entropy(student, teacher, chosen).loss)


@every_implementation
@pytest.mark.parametrize("relaxation", ["cauchy", "logistic", "logistic_phi"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_everything_stays_finite(implementation, relaxation, dtype, settings, cosines):
    kinds = torch.cat([cosines(k, 2, 12) for k in ("random", "clustered", "collapsed", "constant")])
    students, teachers = kinds.repeat_interleave(8, dim=0), kinds.repeat(8, 1)  # each with each
    for steepness in (1.0, 10.0, 100.0, 1000.0, 10000.0):
        for network, two_way in (("bitonic", False), ("bitonic", True), ("odd_even", False)):
            student = students.to(dtype).requires_grad_()
            loss, floor = sorting_cross_entropy(
                student,
                teachers.to(dtype),
                settings(
                    implementation=implementation,
                    network=network,
                    relaxation=relaxation,
                    student_steepness=steepness,
                    teacher_steepness=steepness,
                    two_way=two_way,
                ),
            )
            loss.mean().backward()
            assert student.grad.dtype == dtype
            for part in (loss, floor, student.grad):
                assert part.isfinite().all(), (steepness, network, two_way)


@every_implementation
def test_no_rows_and_single_references_are_fine(implementation, settings):
    chosen = settings(implementation=implementation)
    empty = torch.rand(0, 6, requires_grad=True)
    loss = sorting_cross_entropy(empty, torch.rand(0, 6), chosen).loss
    assert loss.shape == (0,)
    single = sorting_cross_entropy(torch.rand(2, 1), torch.rand(2, 1), chosen)
    assert single.loss.tolist() == [0, 0]


@every_implementation
def test_a_value_that_is_no_number_shows_in_the_loss(implementation, settings):
    student, teacher = pair()
    with torch.no_grad():
        student[2, 3] = float("nan")
    loss = sorting_cross_entropy(student, teacher, settings(implementation=implementation)).loss
    assert loss.isnan().tolist() == [False, False, True, False, False]


def test_wrong_arguments_are_refused(settings):
    student, teacher = pair()
    for arguments, message in (
        ({"student": student[:2], "teacher": teacher}, "must be the same"),
        ({"student": student, "teacher": teacher, "top_k": 0}, "top_k"),
        ({"student": student, "teacher": teacher, "row_mask": torch.ones(5)}, "torch.bool"),
    ):
        with pytest.raises(UserError, match=message):
            sorting_cross_entropy(settings=settings(), **arguments)
