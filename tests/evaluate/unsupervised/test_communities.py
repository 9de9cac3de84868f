"""Company, links and communities, against double loops and planted groups."""

import sys

import numpy as np
import pytest

from neco.errors import UserError
from neco.evaluate.unsupervised.communities import (
    co_occurrence,
    communities,
    links,
    neighbourhood,
)


def slow_co_occurrence(maps, count, offsets):
    total, seen = np.zeros((count, count)), np.zeros(count)
    for image in maps:
        pairs = np.zeros((count, count))
        height, width = image.shape
        for y in range(height):
            for x in range(width):
                for down, right in offsets:
                    v, u = y + down, x + right
                    if 0 <= v < height and 0 <= u < width and min(image[y, x], image[v, u]) >= 0:
                        pairs[image[y, x], image[v, u]] += image[y, x] != image[v, u]
        for i in range(count):
            if pairs[i].sum():
                total[i] += pairs[i] / pairs[i].sum()
                seen[i] += 1
    return total / np.maximum(seen, 1)[:, None]


@pytest.mark.parametrize("kind", ["square", "released"])
@pytest.mark.parametrize("distances", [(1,), (1, 2), (3,)])
def test_co_occurrence_equals_the_double_loop(kind, distances):
    maps = np.random.default_rng(0).integers(-1, 5, (4, 6, 5))
    offsets = neighbourhood(kind, distances)
    found = co_occurrence(maps, 6, offsets)
    np.testing.assert_allclose(found, slow_co_occurrence(maps, 6, offsets), atol=1e-12)
    assert np.allclose(found.sum(axis=1)[:5], 1) and found[5].sum() == 0
    assert not found.diagonal().any()


def test_neighbours_are_the_squares_corners_and_sides():
    assert sorted(neighbourhood("square", (2,))) == sorted(
        (y, x) for y in (-2, 0, 2) for x in (-2, 0, 2) if (y, x) != (0, 0)
    )


def test_the_released_neighbours_are_those_that_scikit_image_reads():
    """Read off graycomatrix (scikit-image 0.26) with a single pair of grey levels per cell."""
    near = [(0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1)]
    far = [(0, 2), (1, 1), (2, 0), (1, -1), (0, -2), (-2, -1), (-2, 0), (-1, 1)]
    assert neighbourhood("released", (1, 2)) == near + far
    assert sorted(near) == sorted(neighbourhood("square", (1,)))


def test_links_ask_both_directions():
    neighbour_shares = np.array([[0, 0.5, 0.2], [0.1, 0, 0.0], [0.3, 0.9, 0]])
    assert links(neighbour_shares, 0.1) == [(0, 1, 0.1), (0, 2, 0.2)]
    assert links(neighbour_shares, 0.15) == [(0, 2, 0.2)]


def test_planted_communities_are_found_and_loners_have_none():
    groups = [[0, 1, 2, 3], [4, 5, 6], [7, 8, 9]]
    edges = [(i, j, 0.5) for group in groups for i in group for j in group if i < j]
    edges.append((3, 4, 0.01))
    found = communities(edges, 11, markov_time=1.0, preferred=3, seed=0)
    for group in groups:
        assert len({found[i] for i in group}) == 1
    assert set(found[:10].tolist()) == {1, 2, 3} and found[10] == 0
    assert not communities([], 4, markov_time=1.0, preferred=3, seed=0).any()


def test_a_missing_extra_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "infomap", None)
    with pytest.raises(UserError, match="unsupervised") as caught:
        communities([(0, 1, 1.0)], 2, markov_time=1.0, preferred=2, seed=0)
    assert "\n" not in str(caught.value)
