import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from neco.sorting import chunked


@hypothesis_settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.sampled_from(["bitonic", "odd_even"]),
    st.sampled_from([("cauchy", 80.0), ("logistic", 12.0), ("logistic_phi", 12.0)]),
    st.integers(2, 35),
    st.integers(1, 5),
    st.integers(1, 40),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_float64_equals_autograd(
    problem, reference_result, network, relaxed, width, rows, columns, two_way, seed
):
    torch.manual_seed(seed)
    student, teacher = torch.rand(2, rows, width, dtype=torch.float64)
    asked = problem(
        network=network,
        relaxation=relaxed[0],
        student_steepness=relaxed[1],
        teacher_steepness=relaxed[1] / 2,
        two_way=two_way,
        columns=min(columns, width),
        teacher_gradient=two_way,
    )
    ours = chunked.evaluate(student, teacher, asked)
    theirs = reference_result(student, teacher, asked)
    for our, their in zip(ours, theirs, strict=True):
        assert (our is None) == (their is None)
        if our is not None:
            torch.testing.assert_close(our, their, rtol=1e-7, atol=1e-7)


def test_chunks_change_nothing(monkeypatch, problem):
    student, teacher = torch.rand(2, 11, 6)
    asked = problem(columns=6)
    whole = chunked.evaluate(student, teacher, asked)
    monkeypatch.setattr(chunked, "CPU_CHUNK_ELEMENTS", 100)  # two rows at a time
    for parts, one in zip(chunked.evaluate(student, teacher, asked), whole, strict=True):
        torch.testing.assert_close(parts, one)


def test_what_is_not_asked_for_is_not_computed(problem):
    student, teacher = torch.rand(2, 3, 6)
    result = chunked.evaluate(
        student, teacher, problem(student_gradient=False, teacher_gradient=False)
    )
    assert result.student_gradient is None
    assert result.teacher_gradient is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_cuda_equals_cpu(problem):
    student, teacher = torch.rand(2, 30, 49)
    asked = problem(columns=49)
    on_cpu = chunked.evaluate(student, teacher, asked)
    on_cuda = chunked.evaluate(student.cuda(), teacher.cuda(), asked)
    for here, there in zip(on_cpu, on_cuda, strict=True):
        torch.testing.assert_close(there.cpu(), here, rtol=1e-3, atol=1e-3)
