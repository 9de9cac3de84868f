import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neco.errors import UserError
from neco.sorting import soft_sort
from neco.sorting.reference import cross_entropy

RELAXATIONS = [("cauchy", 100.0), ("logistic", 10.0), ("logistic_phi", 10.0)]


@pytest.mark.parametrize(("relaxation", "steepness"), RELAXATIONS)
@pytest.mark.parametrize("network", ["bitonic", "odd_even"])
@pytest.mark.parametrize("width", [2, 3, 8, 11, 49])
def test_values_and_gradients_are_those_of_diffsort(
    network, relaxation, steepness, width, diffsort_matrix
):
    values = torch.rand(3, width, dtype=torch.float64, requires_grad=True)
    weights = torch.rand(3, width, width, dtype=torch.float64)
    theirs = diffsort_matrix(values, network, relaxation, steepness)
    ours = soft_sort(values, network=network, relaxation=relaxation, steepness=steepness)
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our, their, rtol=1e-9, atol=1e-12)
    gradients = [
        torch.autograd.grad((matrix * weights).sum() + sorted_values.square().sum(), values)[0]
        for sorted_values, matrix in (ours, theirs)
    ]
    torch.testing.assert_close(*gradients, rtol=1e-7, atol=1e-7)


@given(
    st.sampled_from(["bitonic", "odd_even"]),
    st.sampled_from(["cauchy", "logistic", "logistic_phi"]),
    st.floats(0.1, 1e4),
    st.lists(st.floats(-1, 1), min_size=1, max_size=20),
)
def test_the_matrix_is_doubly_stochastic_and_sorts(network, relaxation, steepness, row):
    values = torch.tensor([row], dtype=torch.float64)
    sorted_values, matrix = soft_sort(
        values, network=network, relaxation=relaxation, steepness=steepness
    )
    ones = torch.ones_like(values)
    assert (matrix >= 0).all()
    torch.testing.assert_close(matrix.sum(dim=1), ones)
    torch.testing.assert_close(matrix.sum(dim=2), ones)
    torch.testing.assert_close(sorted_values, (values.unsqueeze(1) @ matrix).squeeze(1))


@pytest.mark.parametrize("network", ["bitonic", "odd_even"])
def test_columns_are_sorted_positions_in_ascending_order(network):
    values = torch.tensor([[0.3, -2.0, 5.0, 1.0, 0.9]], dtype=torch.float64)
    _, matrix = soft_sort(values, network=network, relaxation="logistic", steepness=1e4)
    expected = torch.zeros(1, 5, 5, dtype=torch.float64)
    expected[0, [1, 0, 4, 3, 2], range(5)] = 1
    torch.testing.assert_close(matrix, expected)


def test_gradients_agree_with_finite_differences():
    values = torch.rand(2, 5, dtype=torch.float64, requires_grad=True)
    for relaxation, steepness in RELAXATIONS:
        assert torch.autograd.gradcheck(
            lambda v, r=relaxation, s=steepness: soft_sort(
                v, network="bitonic", relaxation=r, steepness=s
            ),
            values,
        )


def test_the_small_swap_weight_keeps_its_digits():
    values = torch.tensor([[0.0, 1.0]])
    for relaxation in ("cauchy", "logistic"):
        small, exact = (
            soft_sort(rows, network="bitonic", relaxation=relaxation, steepness=30.0)[1][0, 0, 1]
            for rows in (values, values.double())
        )
        assert small == pytest.approx(exact.item(), rel=1e-6)


def test_half_precision_is_sorted_in_float32():
    _, matrix = soft_sort(
        torch.rand(2, 4).half(), network="bitonic", relaxation="cauchy", steepness=1.0
    )
    assert matrix.dtype == torch.float32


def test_cross_entropy_is_a_mean_over_columns():
    target = torch.tensor([[[0.25, 1.0], [0.75, 0.0]]])
    prediction = torch.tensor([[[0.5, 1.0], [0.5, 0.0]]])
    expected = (2 * 0.5 * torch.log(torch.tensor(2.0)) + 0) / 2
    torch.testing.assert_close(cross_entropy(target, prediction, 1e-30), expected[None])


def test_wrong_shapes_and_names_are_refused():
    with pytest.raises(UserError, match="pass \\(N, R\\)"):
        soft_sort(torch.rand(3), network="bitonic", relaxation="cauchy", steepness=1.0)
    with pytest.raises(UserError, match="unknown relaxation"):
        soft_sort(torch.rand(1, 3), network="bitonic", relaxation="normal", steepness=1.0)
