"""The first pass of exact search: queries come in, candidates and a bound on the rest come out.

It computes in half precision. With a query q, a key x, the bank's mean m, and h(.) for rounding to
half precision, the bound is

    q.x - q.m = q.(x - m) <= h(q).h(x - m) + |x - m - h(x - m)| + |q - h(q)| |h(x - m)|

Subtracting the mean makes the keys shorter, and so their rounding errors smaller. It moves all
scores of a query alike. Keys that are themselves approximate (eight_bit.py) add what they lost to
the second term. The second term joins the product as one more dimension. So does a shift that
brings the scores near the k-th neighbour to about 0, where half precision is finest.
"""

import threading

import torch
from torch import Tensor

from neco.evaluate.search.selection import (
    CHUNK,
    Found,
    Keys,
    in_threads,
    largest,
    merged,
    stacked,
    top_scores,
)

EXTRA = 16
"""How many columns are added to the keys: for the error, for the shift, and for a width that is
fast to multiply."""
DROPPED = -1000.0
"""The score of keys that only fill a block up to whole chunks."""
ACCUMULATION = 1e-4
"""How much float32 rounding may change products of unit vectors. It was measured to be below
1e-6."""
KEYS_AT_A_TIME = {"cpu": 4096, "cuda": 131_072}
"""How many keys are extended at a time. They fit in cache."""


class HalfPass:
    """Finds candidates among a bank's keys by products in half precision."""

    def __init__(self, keys: Keys, half: torch.dtype) -> None:
        self.keys = keys
        self.half = half
        self.device = keys.device
        self.memory = threading.local()
        self.query_block = 4096 if self.device.type == "cuda" else 256
        self.mean = keys.mean  # any vector is correct; the mean makes keys shortest
        self.sample = (keys.sample - self.mean).to(half)
        self.longest = self.mean.new_zeros(())
        """The largest |h(x - m)| so far. After `candidates` it is that of all keys."""

    def candidates(self, queries: Tensor, count: int) -> tuple[Found, Tensor]:
        """Return `count` candidates of each query, and a bound (Q,) on every other key's cosine.

        queries: float32 (Q, dim), L2-normalised. The candidates' scores are not cosines.
        """
        rounded = queries.to(self.half)
        error = (queries - rounded.float()).norm(dim=1)  # (Q,)
        shift = self._shift(rounded, count)
        parts = self.extended_queries(rounded, shift).split(self.query_block)
        best: list[Found | None] = [None] * len(parts)
        for start, stop in self.keys.blocks():
            keys, length = self.extended_keys(start, stop)
            self.longest = torch.maximum(self.longest, length)

            def score(part: Tensor, keys: Tensor = keys, start: int = start) -> Found:
                block = top_scores(self.products(part, keys), count)
                return Found(block.scores, block.indices + start)

            blocks = in_threads(score, list(parts), self.device)
            best = [merged(old, new, count) for old, new in zip(best, blocks, strict=True)]
        found = stacked([part for part in best if part is not None])
        worst = found.scores.amin(dim=1)
        worst = worst + worst.abs() * torch.finfo(self.half).eps  # twice the product's rounding
        limit = worst + shift.float() + error * self.longest + queries @ self.mean + ACCUMULATION
        return found, limit

    def products(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Return the products (Q, N) of extended queries and keys, in half precision.

        They stand in memory that this thread keeps, and its next call overwrites them. To ask the
        system for new memory each time would cost a CPU a tenth of the product's time.
        """
        size = len(queries) * len(keys)
        held = getattr(self.memory, "scores", None)
        if held is None or held.numel() < size:
            held = self.memory.scores = queries.new_empty(size)
        return torch.mm(queries, keys.T, out=held[:size].view(len(queries), len(keys)))

    def _shift(self, rounded: Tensor, count: int) -> Tensor:
        """Return a guess at the score of the count-th nearest key, (Q,).

        A score is the cosine less the mean's part.
        """
        rank = max(round(count * len(self.sample) / len(self.keys)), 1)

        def guess(part: Tensor) -> Tensor:
            return largest(part @ self.sample.T, rank).scores.amin(dim=1)

        parts = list(rounded.split(self.query_block))
        return torch.cat(in_threads(guess, parts, self.device)).to(self.half)

    def extended_queries(self, rounded: Tensor, shift: Tensor) -> Tensor:
        """Return queries (Q, dim + EXTRA), whose products with extended keys are bounds less
        shift."""
        dim = rounded.shape[1]
        extended = rounded.new_zeros((len(rounded), dim + EXTRA))
        extended[:, :dim] = rounded
        extended[:, -EXTRA] = 1.0
        extended[:, 1 - EXTRA] = -shift
        return extended

    def extended_keys(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Return keys (N, dim + EXTRA), filled up to whole chunks, and the longest key's length."""
        padded = -(-(stop - start) // CHUNK) * CHUNK
        dim = self.keys.bank.dim
        extended = torch.zeros((padded, dim + EXTRA), dtype=self.half, device=self.device)
        extended[stop - start :, -EXTRA] = DROPPED
        extended[:, 1 - EXTRA] = 1.0
        size = KEYS_AT_A_TIME[self.device.type]

        def extend(first: int) -> Tensor:
            last = min(first + size, stop)
            rows = slice(first - start, last - start)
            keys, lost = self.keys.centred(first, last)
            extended[rows, :dim] = keys
            rounded = extended[rows, :dim].float()
            # One per cent and a little is added, so that rounding cannot make the bound too small.
            extended[rows, -EXTRA] = (keys.sub_(rounded).norm(dim=1) + lost) * 1.01 + 1e-6
            return rounded.norm(dim=1).max()

        lengths = in_threads(extend, list(range(start, stop, size)), self.device)
        return extended, torch.stack(lengths).max()
