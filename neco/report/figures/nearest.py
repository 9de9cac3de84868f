"""Nearest patches: features of two models come in, queries and what both find come out."""

from dataclasses import dataclass

import numpy as np

from neco.data.dataset import Dataset
from neco.evaluate.patch_labels import PatchLabels, has_background, read_patch_labels
from neco.features import Features

NEIGHBOURS = 7
"""How many nearest patches are shown for each query."""
PURE = 0.9
"""Least share of one class in a query patch."""
CANDIDATES = 400
"""Most queries that are looked at."""


@dataclass(frozen=True)
class Query:
    """One patch of a held-out image."""

    image: int
    """The image's index in the split."""
    patch: int
    """The patch's place in the image's grid, counted row by row."""
    label: int
    """The class that the patch shows."""


@dataclass(frozen=True)
class Neighbours:
    """What one model retrieves, nearest first. Arrays are (queries, NEIGHBOURS)."""

    images: np.ndarray
    """int: the image of each neighbour"""
    patches: np.ndarray
    """int: its place in the image's grid"""
    right: np.ndarray
    """bool: whether its main class is the query's"""


@dataclass(frozen=True)
class Retrieved:
    """The queries of a split, and what both models find for them."""

    queries: list[Query]
    start: Neighbours
    neco: Neighbours


def retrieve(val: Dataset, start: Features, neco: Features) -> Retrieved:
    """Return the nearest patches of every candidate query by both models."""
    start.matches(val)
    neco.matches(val)
    labels = read_patch_labels(val, start.about["image_size"], start.about["patch_size"])
    asked = range(int(has_background(val)), len(val.classes))
    queries = candidates(labels, start.tokens.shape[1:3], asked)
    main = labels.soft.argmax(axis=1)
    main = np.asarray(main).reshape(len(val), labels.patches)
    return Retrieved(
        queries,
        nearest_patches(start.tokens, queries, main),
        nearest_patches(neco.tokens, queries, main),
    )


def candidates(labels: PatchLabels, grid_shape: tuple[int, ...], classes: range) -> list[Query]:
    """Return at most CANDIDATES queries, drawn at random where there are more.

    A query is, for each image and each of the `classes` in it, the pure patch that is nearest to
    the middle of the class. So background and ignored pixels give none.
    """
    rows, columns = grid_shape
    y, x = np.divmod(np.arange(rows * columns), columns)
    queries = []
    for image in range(labels.present.shape[0]):
        block = labels.soft[image * labels.patches : (image + 1) * labels.patches].toarray()
        for label in np.flatnonzero((block >= PURE).any(axis=0)):
            if label not in classes:
                continue
            pure = np.flatnonzero(block[:, label] >= PURE)
            weight = block[:, label]
            middle = (np.average(y, weights=weight), np.average(x, weights=weight))
            distance = (y[pure] - middle[0]) ** 2 + (x[pure] - middle[1]) ** 2
            queries.append(Query(image, int(pure[distance.argmin()]), int(label)))
    if len(queries) > CANDIDATES:
        kept = np.random.default_rng(0).choice(len(queries), CANDIDATES, replace=False)
        queries = [queries[index] for index in sorted(kept)]
    return queries


def nearest_patches(tokens: np.ndarray, queries: list[Query], main: np.ndarray) -> Neighbours:
    """Return the nearest patches by cosine, the best of each other image only.

    tokens: (images, rows, columns, dim). main: (images, patches), each patch's main class.
    """
    images, dim = tokens.shape[0], tokens.shape[-1]
    asked = np.stack([tokens[q.image].reshape(-1, dim)[q.patch] for q in queries])
    asked = _unit(asked)  # (queries, dim)
    best = np.empty((len(queries), images), dtype=np.float32)
    where = np.empty((len(queries), images), dtype=np.int64)
    for image in range(images):
        cosines = asked @ _unit(tokens[image].reshape(-1, dim)).T  # (queries, patches)
        where[:, image] = cosines.argmax(axis=1)
        best[:, image] = cosines.max(axis=1)
    own = np.array([query.image for query in queries])
    best[np.arange(len(queries)), own] = -np.inf
    count = min(NEIGHBOURS, images - 1)
    found = np.argsort(-best, axis=1, kind="stable")[:, :count]
    patches = np.take_along_axis(where, found, axis=1)
    label = np.array([query.label for query in queries])
    return Neighbours(found, patches, main[found, patches] == label[:, None])


def _unit(tokens: np.ndarray) -> np.ndarray:
    tokens = tokens.astype(np.float32)
    length = np.linalg.norm(tokens, axis=-1, keepdims=True)
    unit: np.ndarray = tokens / np.maximum(length, 1e-12)
    return unit
