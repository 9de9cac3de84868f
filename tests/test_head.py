"""Projection heads: what each start does to the order of the tokens."""

import pytest
import torch
from torch.nn.functional import normalize

from neco.config import Head
from neco.config.base import validated
from neco.errors import UserError
from neco.head import ProjectionHead

DIM = 12


@pytest.fixture
def tokens() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    scale = torch.linspace(3, 0.1, DIM)  # components of unequal weight
    return torch.randn(200, DIM, generator=generator) * scale + 1


def head(**settings) -> ProjectionHead:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return ProjectionHead(DIM, Head(**({"hidden": 16, "output": 6} | settings)))


def test_the_released_head_s_shape_and_length():
    projected = head()(torch.randn(2, 5, DIM))
    assert projected.shape == (2, 5, 6)
    torch.testing.assert_close(projected.norm(dim=-1), torch.ones(2, 5))
    assert head(normalised=False)(torch.randn(5, DIM)).norm(dim=-1).max() < 0.9


def test_no_head_returns_the_tokens(tokens):
    assert torch.equal(head(layers=0, normalised=False)(tokens), tokens)
    torch.testing.assert_close(head(layers=0)(tokens), normalize(tokens, dim=-1))


def test_a_residual_head_starts_as_none(tokens):
    start = head(start="residual")
    assert start.output == DIM
    torch.testing.assert_close(start(tokens), normalize(tokens, dim=-1))


def test_a_rotation_of_all_dimensions_keeps_every_cosine(tokens):
    rotated = head(layers=1, start="orthogonal", output=DIM)(tokens)
    unit = normalize(tokens, dim=-1)
    torch.testing.assert_close(rotated @ rotated.T, unit @ unit.T, atol=1e-5, rtol=1e-4)


def test_components_are_those_of_the_tokens(tokens):
    """Against the covariance's eigenvectors: the projections' variances are its eigenvalues."""
    fitted = head(layers=1, start="principal", normalised=False)
    fitted.fit(tokens)
    projected = fitted(tokens)
    eigenvalues = torch.linalg.eigvalsh(torch.cov(tokens.T)).flip(0)[:6]
    torch.testing.assert_close(projected.var(dim=0), eigenvalues, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(projected.mean(dim=0), torch.zeros(6), atol=1e-5, rtol=0)


def test_components_are_no_more_than_dimensions_and_tokens(tokens):
    assert head(layers=1, start="principal", output=99).output == DIM
    few = head(layers=1, start="principal")
    few.fit(tokens[:4])
    weight = few.layers[0].weight
    torch.testing.assert_close(weight @ weight.T, torch.eye(6), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"start": "orthogonal"}, "start orthogonal is one linear layer; set layers to 1"),
        ({"start": "residual", "layers": 1}, "start residual needs layers of 2 or more"),
    ],
)
def test_starts_that_do_not_fit_are_refused(settings, said):
    with pytest.raises(UserError, match=said):
        validated(Head, settings, "head")
