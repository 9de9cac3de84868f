"""Community detection (CD): maps of clusters come in, communities of clusters come out.

Clusters that often lie side by side are joined into one segment. Source: paper, appendix A.2;
Leopart's released code. It needs the package `infomap` (GPL-3.0).
"""

import math
from collections.abc import Iterable
from typing import Any, Literal

import numpy as np

from neco.errors import UserError

Offset = tuple[int, int]
"""Rows and columns from a cell to its neighbour."""


def neighbourhood(kind: Literal["square", "released"], distances: Iterable[int]) -> list[Offset]:
    """Return the eight neighbours at each distance. One that is in the list twice counts twice.

    square: straight and diagonal steps of `distance` cells.
    released: the cells that scikit-image's co-occurrence matrix reads at the angles of the released
    code, one of which is 240 degrees instead of 225. At distance 1 these are the same cells. At
    distance 2 the diagonals round to the neighbours at distance 1, so that those count twice. 240
    degrees rounds to the cell two up and one left.
    """
    if kind == "square":
        return [
            (down, right)
            for distance in distances
            for down in (-distance, 0, distance)
            for right in (-distance, 0, distance)
            if (down, right) != (0, 0)
        ]
    angles = [math.radians(degrees) for degrees in (0, 45, 90, 135, 180, 240, 270, 315)]
    return [
        (_rounded(math.sin(angle) * distance), _rounded(math.cos(angle) * distance))
        for distance in distances
        for angle in angles
    ]


def _rounded(value: float) -> int:
    """Return the nearest integer. A half is rounded away from 0, whatever its last bit is."""
    return int(math.copysign(math.floor(abs(value) + 0.5 + 1e-9), value))


def co_occurrence(maps: Iterable[np.ndarray], count: int, offsets: list[Offset]) -> np.ndarray:
    """Return how often clusters lie side by side, float64 (count, count) with a diagonal of 0.

    Entry [i, j] is the share of cluster j among those neighbours of cluster i that are of another
    cluster. Shares are computed for each image and averaged over the images in which cluster i has
    such neighbours.
    maps: for each image the cluster of every cell, int (rows, columns), -1 where there is none.
    """
    total = np.zeros((count, count))
    appearances = np.zeros(count)
    for image in maps:
        pairs = _neighbours(image, count, offsets)
        np.fill_diagonal(pairs, 0)
        rows = pairs.sum(axis=1, keepdims=True)
        total += np.divide(pairs, rows, out=np.zeros(pairs.shape), where=rows > 0)
        appearances += rows[:, 0] > 0
    return np.divide(
        total, appearances[:, None], out=np.zeros_like(total), where=appearances[:, None] > 0
    )


def _neighbours(image: np.ndarray, count: int, offsets: list[Offset]) -> np.ndarray:
    """Return how many neighbours of cluster j the cells of cluster i have, int64 (count, count)."""
    height, width = image.shape
    codes = []
    for down, right in offsets:
        here = image[_inside(down, height), _inside(right, width)]
        there = image[_inside(-down, height), _inside(-right, width)]
        both = (here >= 0) & (there >= 0) & (here != there)
        codes.append(here[both].astype(np.int64) * count + there[both])
    return np.bincount(np.concatenate(codes), minlength=count * count).reshape(count, count)


def _inside(shift: int, size: int) -> slice:
    """Return the part of an axis whose cells have a neighbour `shift` cells further."""
    return slice(max(0, -shift), max(0, size - max(0, shift)))


def links(probabilities: np.ndarray, weight_threshold: float) -> list[tuple[int, int, float]]:
    """Return (i, j, weight) for each pair of clusters that is linked, with i < j.

    A pair is linked where the entries of both directions reach the threshold. The smaller of the
    two is the weight. probabilities: (count, count), as `co_occurrence` returns them.
    """
    weights = np.minimum(probabilities, probabilities.T)
    rows, columns = np.nonzero(np.triu(weights >= weight_threshold, k=1) & (weights > 0))
    return [(int(i), int(j), float(weights[i, j])) for i, j in zip(rows, columns, strict=True)]


def communities(
    edges: list[tuple[int, int, float]],
    count: int,
    *,
    markov_time: float,
    preferred: int,
    seed: int,
) -> np.ndarray:
    """Return the community of every cluster, int64 (count,): from 1, or 0 for one without links.

    edges: what `links` returned. Raises UserError where `infomap` is not installed.
    """
    found = np.zeros(count, np.int64)
    if edges:
        infomap = imported_infomap()
        network = infomap.Network()
        for first, second, weight in edges:
            network.add_link(first, second, weight)
        options = {"silent": True, "preferred_number_of_modules": preferred}
        result = infomap.run(
            network,
            two_level=True,
            directed=False,
            markov_time=markov_time,
            seed=seed + 1,  # infomap counts seeds from 1
            options=options,
        )
        modules = dict(result.modules())
        numbers = {module: 1 + rank for rank, module in enumerate(sorted(set(modules.values())))}
        for node, module in modules.items():
            found[int(node)] = numbers[module]
    return found


def imported_infomap() -> Any:
    """Return the package infomap. Raises UserError where it is not installed."""
    # faiss goes first: in the other order the two packages' SWIG iterators crash.
    import faiss  # noqa: F401

    try:
        import infomap
    except ImportError:
        raise UserError(
            "community detection needs infomap; install the extra: "
            "pip install 'neco-reproduction[unsupervised]'"
        ) from None
    return infomap
