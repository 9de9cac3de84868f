"""Patch tokens small enough for a page: principal axes, then one signed byte for each number."""

from dataclasses import dataclass

import numpy as np
import torch

QUERIES = 512
"""Patches on which the cost of the reduction is measured."""
NEAREST = 10


@dataclass(frozen=True)
class Embedded:
    """Tokens of some images as int8; cosines of what they stand for come close to the tokens'."""

    numbers: np.ndarray
    """int8 (images, rows, columns, dimensions)"""
    scales: np.ndarray
    """float64 (dimensions,): a number times its scale is the coordinate."""
    length: int
    """Of a whole token."""
    cosine_error: float
    """Mean difference of a cosine to that of the whole tokens."""
    same_neighbours: float
    """Share of the ten nearest patches that are those of the whole tokens, 0 to 1."""

    def coordinates(self) -> np.ndarray:
        """Return float64 (patches, dimensions)."""
        return self.numbers.reshape(-1, self.numbers.shape[-1]).astype(np.float64) * self.scales


def embed(tokens: np.ndarray, dimensions: int, grid: int) -> Embedded:
    """Return tokens (images, rows, columns, dim) in `dimensions` bytes each.

    Grids of more than `grid` rows or columns are averaged down. Tokens are brought to length 1 and
    turned to their principal axes without centring, which is the reduction that keeps inner
    products, hence cosines, best. Every axis has its own scale. Fewer dimensions than asked for
    where tokens are shorter.
    """
    small = averaged(tokens, grid)
    images, rows, columns, dim = small.shape
    whole = unit(small.reshape(-1, dim))
    axes = np.linalg.eigh(whole.T @ whole)[1][:, ::-1][:, : min(dimensions, dim)]
    reduced = unit(whole @ axes)
    largest = np.abs(reduced).max(axis=0)
    scales = np.where(largest > 0, largest / 127, 1.0)
    numbers = np.round(reduced / scales).astype(np.int8).reshape(images, rows, columns, -1)
    embedded = Embedded(numbers, scales, dim, 0.0, 1.0)
    return Embedded(numbers, scales, dim, *_cost(whole, unit(embedded.coordinates())))


def averaged(tokens: np.ndarray, grid: int) -> np.ndarray:
    """Return float64 tokens on at most `grid` rows and columns, each the mean of what it covers."""
    rows, columns = (min(side, grid) for side in tokens.shape[1:3])
    stacked = torch.from_numpy(np.array(tokens, dtype=np.float32)).permute(0, 3, 1, 2)
    pooled = torch.nn.functional.adaptive_avg_pool2d(stacked, (rows, columns))
    return pooled.permute(0, 2, 3, 1).double().numpy()


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return vectors (N, dim) at length 1; those of length 0 stay."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def _cost(whole: np.ndarray, small: np.ndarray) -> tuple[float, float]:
    """Return the mean error of a cosine and the share of nearest patches that stay the same."""
    queries = np.random.default_rng(0).permutation(len(whole))[:QUERIES]
    true, mine = whole[queries] @ whole.T, small[queries] @ small.T
    error = float(np.abs(true - mine).mean())
    own = np.arange(len(queries))
    true[own, queries] = mine[own, queries] = -np.inf
    k = min(NEAREST, len(whole) - 1)
    if not k:
        return error, 1.0
    first, second = (np.argsort(-part, axis=1, kind="stable")[:, :k] for part in (true, mine))
    shared = [len(np.intersect1d(one, two)) for one, two in zip(first, second, strict=True)]
    return error, float(np.mean(shared)) / k
