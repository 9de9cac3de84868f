"""Tokens in a page: what a byte costs is what is said, and neighbours stay."""

import numpy as np
import pytest

from neco.compare.page.embed import averaged, embed, unit


def tokens(images=3, grid=6, dim=40, rank=5, seed=0):
    generator = np.random.default_rng(seed)
    basis = generator.normal(size=(rank, dim))
    return (generator.normal(size=(images, grid, grid, rank)) @ basis).astype(np.float32)


def test_what_lies_in_few_dimensions_is_kept_but_for_rounding():
    given = tokens()
    made = embed(given, 8, 24)
    assert made.numbers.dtype == np.int8 and made.numbers.shape == (3, 6, 6, 8)
    whole, small = unit(given.reshape(-1, 40)), unit(made.coordinates())
    error = np.abs(whole @ whole.T - small @ small.T)
    assert error.max() < 0.03
    assert made.cosine_error == pytest.approx(error.mean(), rel=0.2)
    assert made.same_neighbours > 0.9


def test_fewer_dimensions_cost_more_and_that_is_said():
    given = tokens(rank=20)
    costs = [embed(given, size, 24) for size in (2, 8, 20)]
    assert costs[0].cosine_error > costs[1].cosine_error > costs[2].cosine_error
    assert costs[0].same_neighbours < costs[1].same_neighbours < costs[2].same_neighbours


def test_a_fine_grid_is_averaged():
    given = tokens(grid=8)
    small = averaged(given, 4)
    assert small.shape == (3, 4, 4, 40)
    assert small[1, 2, 3] == pytest.approx(given[1, 4:6, 6:8].mean(axis=(0, 1)), abs=1e-5)


def test_short_tokens_and_empty_ones():
    assert embed(tokens(dim=3, rank=2), 32, 24).numbers.shape[-1] == 3
    assert (embed(np.zeros((1, 2, 2, 4), np.float32), 4, 24).numbers == 0).all()
