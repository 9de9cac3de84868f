import shutil

import pytest
import torch
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from neco.sorting import chunked, compiled
from neco.sorting.relaxations import swap_weights, swap_weights_slope

pytestmark = pytest.mark.skipif(shutil.which("c++") is None, reason="no compiler")


def error(ours, exact):
    """The largest difference, relative to the largest number."""
    return ((ours - exact).abs().max() / exact.abs().max().clamp_min(1e-3)).item()


@hypothesis_settings(
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.sampled_from(["bitonic", "odd_even"]),
    st.sampled_from(
        [("cauchy", 60.0, 2e-4), ("logistic", 12.0, 2e-4), ("logistic_phi", 4.0, 0.02)]
    ),
    st.integers(2, 40),
    st.integers(1, 40),
    st.integers(1, 40),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
@example(
    "odd_even", ("logistic_phi", 4.0, 1e-3), 32, 24, 1, True, 13
)  # a near tie: both err by 4 %
def test_equals_autograd(
    problem, reference_result, network, relaxed, width, rows, columns, two_way, seed
):
    relaxation, steepness, tolerance = relaxed
    torch.manual_seed(seed)
    student, teacher = torch.rand(2, rows, width)
    asked = problem(
        network=network,
        relaxation=relaxation,
        student_steepness=steepness,
        teacher_steepness=steepness / 2,
        two_way=two_way,
        columns=min(columns, width),
        teacher_gradient=two_way,
    )
    ours = compiled.evaluate(student, teacher, asked)
    exact = reference_result(student, teacher, asked)
    assert error(ours.loss, exact.loss) < 1e-5
    assert error(ours.floor, exact.floor) < 1e-5
    # The slope of logistic_phi is singular at ties, where all float32 arithmetic errs alike.
    single = chunked.evaluate(student, teacher, asked)
    allowed = max(tolerance, 2 * error(single.student_gradient, exact.student_gradient))
    assert error(ours.student_gradient, exact.student_gradient) < allowed
    assert (ours.teacher_gradient is None) == (not two_way)
    if two_way:
        allowed = max(tolerance, 2 * error(single.teacher_gradient, exact.teacher_gradient))
        assert error(ours.teacher_gradient, exact.teacher_gradient) < allowed


@pytest.mark.parametrize("relaxation", ["cauchy", "logistic", "logistic_phi"])
@pytest.mark.parametrize("steepness", [0.5, 10.0, 100.0, 10000.0])
@pytest.mark.parametrize("phi_lambda", [0.25, 0.6])
def test_a_single_comparator_is_exact(problem, reference_result, relaxation, steepness, phi_lambda):
    """Over all magnitudes of a difference, also where one of the two weights is tiny."""
    difference = torch.cat([torch.logspace(-9, 0, 40), torch.zeros(1)])
    difference = torch.cat([difference, -difference])
    student = torch.stack([torch.zeros_like(difference), difference], dim=1)
    teacher = torch.stack([difference.flip(0), torch.zeros_like(difference)], dim=1)
    asked = problem(
        relaxation=relaxation,
        student_steepness=steepness,
        teacher_steepness=2 * steepness,
        phi_lambda=phi_lambda,
        columns=2,
    )
    ours = compiled.evaluate(student, teacher, asked)
    exact = reference_result(student, teacher, asked)
    torch.testing.assert_close(ours[:2], exact[:2], rtol=1e-5, atol=1e-5, check_dtype=False)
    for side, values, gradient, expected in (
        (asked.student_steepness, student, ours.student_gradient, exact.student_gradient),
        (asked.teacher_steepness, teacher, ours.teacher_gradient, exact.teacher_gradient),
    ):
        difference = (values[:, 1:] - values[:, :1]).double()
        keep, swap = swap_weights(difference, relaxation, side, phi_lambda)
        slope = swap_weights_slope(difference, keep, swap, relaxation, side, phi_lambda)
        # Near ties the gradient is a small difference of numbers about as large as the slope.
        assert ((gradient - expected).abs() <= 1e-4 * expected.abs() + 1e-5 * slope + 1e-6).all()


@pytest.mark.parametrize(("network", "width"), [("bitonic", 200), ("odd_even", 90)])
def test_wide_networks(problem, network, width):
    student, teacher = torch.rand(2, 3, width)
    asked = problem(network=network, columns=width)
    ours = compiled.evaluate(student, teacher, asked)
    exact = chunked.evaluate(student.double(), teacher.double(), asked)
    assert error(ours.loss, exact.loss) < 1e-5
    assert error(ours.student_gradient, exact.student_gradient) < 1e-3


def test_threads_change_nothing(problem):
    student, teacher = torch.rand(2, 333, 12)
    asked = problem(columns=12)
    one = compiled.evaluate(student, teacher, asked)
    torch.set_num_threads(3)
    three = compiled.evaluate(student, teacher, asked)
    for first, second in zip(one, three, strict=True):
        assert torch.equal(first, second)


def test_strided_and_half_precision_sides_are_read_right(problem):
    student, teacher = torch.rand(2, 7, 5).half()
    asked = problem(columns=5)
    straight = compiled.evaluate(student.float(), teacher.float(), asked)
    strided = compiled.evaluate(student.T.contiguous().T, teacher, asked)
    for first, second in zip(straight, strided, strict=True):
        assert torch.equal(first, second)
