"""The second pass of exact search: open queries come in, their nearest keys come out.

A query is open where the first pass could not prove its neighbours. With it comes the k-th largest
cosine among its candidates. The true k-th neighbour has at least that cosine. So only keys whose
upper bound (half_pass.py) reaches it can be neighbours. Their cosines are computed in float32, and
the k nearest are returned. In a large bank, where neighbours lie close together, a query can have a
crowd of such keys. Then it is marked, and the caller searches all keys for it in float32.
"""

import torch
from torch import Tensor

from neco.evaluate.search.half_pass import ACCUMULATION, HalfPass
from neco.evaluate.search.selection import CHUNK, Found, in_threads, largest

CROWD = (64, 3)
"""When a query is crowded: keys in question lie in more than CROWD[0] chunks of a block, and in
more than one of CROWD[1] of the block's chunks."""
KEPT = 4096
"""Most keys in question that a query may have. With more of them it is crowded."""
SLACK = 2e-6
"""How far two kernels' float32 cosines of the same vectors may differ by rounding."""

Pairs = tuple[Tensor, Tensor, Tensor]
"""Rows of queries, key indices and float32 cosines, each (P,)."""


def search_again(first: HalfPass, queries: Tensor, cosines: Tensor, k: int) -> tuple[Found, Tensor]:
    """Return the k nearest keys of each query, and which queries are crowded, bool (Q,).

    first: the first pass, which has already found candidates. queries: float32 (Q, dim).
    cosines: float32 (Q,). Each query has at least k keys with a cosine as large as that. The keys
    that are returned for crowded queries are not the nearest ones.
    """
    rounded = queries.to(first.half)
    error = (queries - rounded.float()).norm(dim=1)
    wanted = cosines - SLACK
    target = wanted - queries @ first.mean - error * first.longest - ACCUMULATION
    shift = target.to(first.half)
    left = target - shift.float()  # what is lost by rounding the shift; it is close to 0
    lowest = (left - 4 * torch.finfo(first.half).eps * left.abs() - 1e-6).to(first.half)
    extended = first.extended_queries(rounded, shift)
    crowded = torch.zeros(len(queries), dtype=torch.bool, device=queries.device)
    parts = list(range(0, len(queries), first.query_block))
    found: list[Pairs] = []
    for start, stop in first.keys.blocks():
        keys, _ = first.extended_keys(start, stop)

        def reaching(row: int, keys: Tensor = keys, start: int = start) -> Pairs:
            some = slice(row, row + first.query_block)
            rows, places = _reaching(
                first.products(extended[some], keys), lowest[some], crowded[some]
            )
            near = first.keys.pair_cosines(queries, rows + row, places + start)
            kept = near >= wanted[rows + row]
            return rows[kept] + row, places[kept] + start, near[kept]

        found += in_threads(reaching, parts, first.device)
    rows, indices, near = (torch.cat(parts) for parts in zip(*found, strict=True))
    counts = torch.bincount(rows, minlength=len(queries))
    crowded |= (counts < k) | (counts > KEPT)
    inside = ~crowded[rows]
    return _ragged_largest(rows[inside], indices[inside], near[inside], len(queries), k), crowded


def _reaching(scores: Tensor, lowest: Tensor, crowded: Tensor) -> tuple[Tensor, Tensor]:
    """Return the rows and the columns of the scores (Q, N) that are at least `lowest` (Q,).

    Rows with too many chunks to look through are marked in `crowded` (Q,) and left out. A chunk is
    looked through only if its maximum is large enough. Chunks are strided as in `top_scores`.
    """
    chunks = scores.shape[1] // CHUNK
    reach = scores.unflatten(1, (CHUNK, chunks)).amax(dim=1) >= lowest[:, None]  # (Q, chunks)
    crowded |= reach.sum(dim=1) > max(CROWD[0], chunks // CROWD[1])
    reach &= ~crowded[:, None]
    rows, chunk = reach.nonzero(as_tuple=True)
    steps = torch.arange(CHUNK, device=scores.device) * chunks
    columns = chunk[:, None] + steps
    near = scores[rows[:, None], columns] >= lowest[rows][:, None]  # (P, CHUNK)
    which, lane = near.nonzero(as_tuple=True)
    return rows[which], columns[which, lane]


def _ragged_largest(rows: Tensor, indices: Tensor, cosines: Tensor, count: int, k: int) -> Found:
    """Return the k largest cosines of each of `count` queries, and their keys.

    rows, indices, cosines: the query, the key and the cosine of each pair, in any order.
    """
    counts = torch.bincount(rows, minlength=count)
    order = rows.argsort(stable=True)
    starts = counts.cumsum(0) - counts
    rows = rows[order]
    places = torch.arange(len(rows), device=rows.device) - starts[rows]
    width = max(int(counts.max()), k)
    padded = cosines.new_full((count, width), -2.0)
    padded[rows, places] = cosines[order]
    keys = indices.new_zeros((count, width))
    keys[rows, places] = indices[order]
    best = largest(padded, k)
    return Found(best.scores, keys.gather(1, best.indices))
