"""Community detection (CD): clusters that keep close company are parts of one kind of object.

Source: paper, appendix A.2; Leopart. Needs the package `infomap` (GPL-3.0).
"""

from typing import Any

import numpy as np

from neco.errors import UserError


def co_occurrence(maps: np.ndarray, count: int, distances: tuple[int, ...] = (1, 2)) -> np.ndarray:
    """Return P[i, j], how likely a neighbour of a patch of cluster i is of cluster j.

    maps: int (images, rows, columns), cluster of every patch, -1 where there is none.
    Neighbours are the eight patches at each of `distances`. Rows are normalised image by image and
    averaged over the images in which the cluster has neighbours. Returns float64 (count, count).
    """
    total = np.zeros((count, count))
    appearances = np.zeros(count)
    for image in maps:
        pairs = _neighbours(image, count, distances)
        rows = pairs.sum(axis=1, keepdims=True)
        total += np.divide(pairs, rows, out=np.zeros_like(pairs), where=rows > 0)
        appearances += rows[:, 0] > 0
    return np.divide(
        total, appearances[:, None], out=np.zeros_like(total), where=appearances[:, None] > 0
    )


def _neighbours(image: np.ndarray, count: int, distances: tuple[int, ...]) -> np.ndarray:
    """Return how often a patch of cluster i has one of cluster j beside it, (count, count)."""
    height, width = image.shape
    counts = np.zeros(count * count)
    for distance in distances:
        for down in (-distance, 0, distance):
            for right in (-distance, 0, distance):
                if down == right == 0:
                    continue
                here = image[_inside(down, height), _inside(right, width)]
                there = image[_inside(-down, height), _inside(-right, width)]
                both = (here >= 0) & (there >= 0)
                pairs = here[both].astype(np.int64) * count + there[both]
                counts += np.bincount(pairs, minlength=count * count)
    return counts.reshape(count, count)


def _inside(shift: int, size: int) -> slice:
    """Return the part of an axis whose cells have a neighbour `shift` cells on."""
    return slice(max(0, -shift), max(0, size - max(0, shift)))


def links(probabilities: np.ndarray, weight_threshold: float) -> list[tuple[int, int, float]]:
    """Return (i, j, weight) of clusters that keep company both ways; i < j.

    Both directions reach the threshold; the weight is the smaller.
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
    """Return the community of every cluster, int64 (count,), numbered from 0.

    A cluster without links is a community of its own. Raises UserError without `infomap`.
    """
    found: dict[int, int] = {}
    if edges:
        infomap = _infomap()
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
        found = {int(node): int(module) for node, module in dict(result.modules()).items()}
    alone = max(found.values(), default=0)
    labels = [found.get(node, alone + 1 + node) for node in range(count)]
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def _infomap() -> Any:
    try:
        import infomap
    except ImportError:
        raise UserError(
            "community detection needs infomap; install the extra: "
            "pip install 'neco-reproduction[unsupervised]'"
        ) from None
    return infomap
