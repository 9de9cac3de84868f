"""Exact nearest neighbours by blocked matrix products, on a CPU or a GPU.

Where half precision is much faster than float32 (a GPU; a CPU with bfloat16 instructions) there
are two passes. The first gives every key an *upper bound* of its cosine in half precision and
keeps a few more candidates than asked for; the second scores the candidates in float32. A query
whose k-th float32 cosine is above the bound of everything that was dropped is proved; the few
others are searched in float32. So the answer is that of a float32 search everywhere.

The bound, for a query q, a key x, the bank's mean m, and h(.) rounding to half precision:

    q.x - q.m = q.(x - m) <= h(q).h(x - m) + |x - m - h(x - m)| + |q - h(q)| |h(x - m)|

The mean only shortens the keys, and with them their rounding errors; it moves all of a query's
scores alike. The second term joins the product as one more dimension, and so does a shift that
brings the scores near the k-th neighbour to about 0, where half precision is finest.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

import faiss
import numpy as np
import torch
from torch import Tensor

from neco.evaluate.bank import Bank

CHUNK = 32
"""Scores that share one maximum."""
KEY_BLOCK = 131_072
SAMPLE = (1024, 16_384)
"""Fewest and most keys that guess a query's k-th cosine: one in a hundred of the bank."""
SMALL = 8192
"""Keys below which one float32 pass is used."""
EXTRA = 16
"""Columns added to the keys: error, shift, and padding that matrix units like."""
DROPPED = -1000.0
ACCUMULATION = 1e-4
"""Room for the float32 rounding of sums of products of unit vectors (measured: below 1e-6)."""


class Found(NamedTuple):
    """Scores float (Q, k) and key indices int64 (Q, k)."""

    scores: Tensor
    indices: Tensor


def merged(first: Found | None, second: Found, k: int) -> Found:
    """Return the k best of both, in no order."""
    if first is None:
        return second
    scores = torch.cat([first.scores, second.scores], dim=1)
    best = largest(scores, min(k, scores.shape[1]))
    indices = torch.cat([first.indices, second.indices], dim=1)
    return Found(best.scores, indices.gather(1, best.indices))


def largest(scores: Tensor, k: int) -> Found:
    """Return the k largest of each row of scores (Q, n) as float32, in no order.

    On a CPU numpy's vectorised partition takes a fifth of torch.topk's time.
    """
    scores = scores.float()
    if scores.is_cuda:
        top = scores.topk(k, dim=1, sorted=False)
        return Found(top.values, top.indices)
    split = scores.shape[1] - k
    columns = torch.from_numpy(np.argpartition(scores.numpy(), split, axis=1)[:, split:])
    return Found(scores.gather(1, columns), columns)


def top_scores(scores: Tensor, k: int) -> Found:
    """Return the k largest of each row of scores (Q, n), n a multiple of CHUNK, in no order.

    Equal to `scores.topk(k)`: the k largest lie in the k chunks of largest maxima, and only
    those are looked through. Chunks are strided, so that neighbouring patches do not share one.
    """
    chunks = scores.shape[1] // CHUNK
    if k >= chunks:
        return largest(scores, k)
    maxima = scores.unflatten(1, (CHUNK, chunks)).amax(dim=1)  # (Q, chunks)
    best = largest(maxima, k).indices  # (Q, k)
    steps = torch.arange(CHUNK, device=scores.device) * chunks
    columns = (best[:, :, None] + steps).flatten(1)  # (Q, k * CHUNK)
    inside = largest(scores.gather(1, columns), k)
    return Found(inside.scores, columns.gather(1, inside.indices))


@cache
def fast_half(kind: str) -> torch.dtype | None:
    """Return the half precision that beats float32 by far on 'cuda' or this 'cpu', or None."""
    if kind == "cuda":
        return torch.float16
    description = Path("/proc/cpuinfo")
    flags = description.read_text().split() if description.exists() else []
    return torch.bfloat16 if {"avx512_bf16", "amx_bf16"} & set(flags) else None


@contextmanager
def full_accumulation() -> Iterator[None]:
    """Sum products in float32 on a GPU whatever else is allowed there: the proof needs it."""
    matmul = torch.backends.cuda.matmul
    before = matmul.allow_tf32, matmul.allow_fp16_reduced_precision_reduction
    matmul.allow_tf32, matmul.allow_fp16_reduced_precision_reduction = False, False
    try:
        yield
    finally:
        matmul.allow_tf32, matmul.allow_fp16_reduced_precision_reduction = before


class ExactSearch:
    """The k keys of largest cosine, exactly."""

    exact = True
    recall = 1.0

    def __init__(self, bank: Bank, device: torch.device | str = "cpu") -> None:
        self.bank = bank
        self.device = torch.device(device)
        on_gpu = self.device.type == "cuda"
        self.half = fast_half(self.device.type) if len(bank) >= SMALL else None
        self.query_block = 4096 if on_gpu else 256
        self.pass_queries = 65_536  # per reading of the bank
        self.extra_candidates = 8 if on_gpu else 4  # times k
        self.unproved = 0
        self.tokens = torch.from_numpy(bank.tokens)
        self.inverse_norms = torch.from_numpy(bank.inverse_norms)
        if on_gpu:  # 10.24 million x 384 in float16: 7.9 GB
            self.tokens = self.tokens.to(self.device)
            self.inverse_norms = self.inverse_norms.to(self.device)
        if self.half is not None:
            step = len(bank) // min(max(len(bank) // 100, SAMPLE[0]), SAMPLE[1])
            sample = self.tokens[::step].to(self.device, torch.float32)
            sample = sample * self.inverse_norms[::step, None].to(self.device)
            self.mean = sample.mean(dim=0)  # any vector would do; the mean shortens keys most
            self.sample = (sample - self.mean).to(self.half)

    @property
    def name(self) -> str:
        """Return the backend as conditions state it."""
        first = "" if self.half is None else f"{str(self.half).removeprefix('torch.')} + "
        return f"exact {self.device.type} ({first}float32)"

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return cosines float32 and key indices int64, each (Q, k), nearest first.

        queries: float32 (Q, dim), L2-normalised; k at most the bank's size.
        """
        parts = []
        for start in range(0, len(queries), self.pass_queries):
            part = torch.from_numpy(queries[start : start + self.pass_queries]).to(self.device)
            with full_accumulation():
                one = self.half is None
                found = self._float_pass(part, k) if one else self._two_passes(part, k)
            order = found.scores.argsort(dim=1, descending=True, stable=True)
            parts.append(
                (
                    found.scores.gather(1, order).cpu().numpy(),
                    found.indices.gather(1, order).cpu().numpy(),
                )
            )
        return np.concatenate([part[0] for part in parts]), np.concatenate(
            [part[1] for part in parts]
        )

    def _blocks(self) -> list[tuple[int, int]]:
        """Return (start, stop) of key blocks of about equal length."""
        count = -(-len(self.bank) // KEY_BLOCK)
        edges = np.linspace(0, len(self.bank), count + 1).astype(int)
        return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))

    def _keys(self, start: int, stop: int) -> Tensor:
        """Return normalised keys, float32 (stop - start, dim), on the device."""
        block = self.tokens[start:stop].to(self.device, torch.float32)
        return block * self.inverse_norms[start:stop, None].to(self.device)

    def _float_pass(self, queries: Tensor, k: int) -> Found:
        """Return the k nearest by float32 products alone."""
        best = None
        for start, stop in self._blocks():
            keys = self._keys(start, stop)
            kept = min(k, stop - start)
            if self.device.type == "cpu":
                scores, indices = faiss.knn(
                    queries.numpy(), keys.numpy(), kept, metric=faiss.METRIC_INNER_PRODUCT
                )
                block = Found(torch.from_numpy(scores), torch.from_numpy(indices))
            else:
                parts = [
                    largest(part @ keys.T, kept) for part in queries.split(self.query_block // 2)
                ]
                block = Found(*(torch.cat(column) for column in zip(*parts, strict=True)))
            best = merged(best, Found(block.scores, block.indices + start), k)
        assert best is not None
        return best

    def _two_passes(self, queries: Tensor, k: int) -> Found:
        """Return the k nearest: half-precision candidates, float32 scores, proof or fallback."""
        bounds, limit = self._candidates(
            queries, min(self.extra_candidates * k + 8, len(self.bank) // 2)
        )
        scores = torch.cat(
            [
                self._rescored(part, indices)
                for part, indices in zip(
                    queries.split(self.query_block),
                    bounds.indices.split(self.query_block),
                    strict=True,
                )
            ]
        )
        top = scores.topk(k, dim=1)
        found = Found(top.values, bounds.indices.gather(1, top.indices))
        unproved = (found.scores[:, -1] < limit).nonzero()[:, 0]
        if len(unproved):
            self.unproved += len(unproved)
            again = self._float_pass(queries[unproved], k)
            found.scores[unproved], found.indices[unproved] = again
        return found

    def _rescored(self, queries: Tensor, indices: Tensor) -> Tensor:
        """Return float32 cosines (Q, candidates) of queries (Q, dim) to keys at `indices`."""
        if self.device.type == "cpu":  # numpy reads and multiplies rows several times faster
            keys = torch.from_numpy(np.take(self.bank.tokens, indices.numpy(), axis=0)).float()
            products = np.matmul(keys.numpy(), queries.numpy()[:, :, None])[:, :, 0]
            return torch.from_numpy(products * self.bank.inverse_norms[indices.numpy()])
        near = self.tokens[indices.flatten()].float().unflatten(0, indices.shape)
        return torch.bmm(near, queries[:, :, None])[:, :, 0] * self.inverse_norms[indices]

    def _candidates(self, queries: Tensor, count: int) -> tuple[Found, Tensor]:
        """Return `count` candidates of each query, and a bound (Q,) on every other key's cosine."""
        assert self.half is not None
        rounded = queries.to(self.half)
        error = (queries - rounded.float()).norm(dim=1)  # (Q,)
        extended = queries.new_zeros((len(queries), queries.shape[1] + EXTRA), dtype=self.half)
        extended[:, : queries.shape[1]] = rounded
        extended[:, -EXTRA] = 1.0
        shift = self._shift(rounded, count)
        extended[:, 1 - EXTRA] = -shift
        best: list[Found | None] = [None] * -(-len(queries) // self.query_block)
        longest = queries.new_zeros(())
        for start, stop in self._blocks():
            keys, length = self._extended_keys(start, stop)
            longest = torch.maximum(longest, length)
            for number, part in enumerate(extended.split(self.query_block)):
                block = top_scores(part @ keys.T, count)
                best[number] = merged(
                    best[number], Found(block.scores, block.indices + start), count
                )
        kept = [found for found in best if found is not None]
        bounds = Found(*(torch.cat(parts) for parts in zip(*kept, strict=True)))
        worst = bounds.scores.amin(dim=1)
        worst = worst + worst.abs() * torch.finfo(self.half).eps  # twice the product's rounding
        limit = worst + shift.float() + error * longest + queries @ self.mean + ACCUMULATION
        return bounds, limit

    def _shift(self, rounded: Tensor, count: int) -> Tensor:
        """Return half (Q,), a guess at the cosine (less mean) of the count-th nearest key."""
        rank = max(round(count * len(self.sample) / len(self.bank)), 1)
        parts = [
            largest(part @ self.sample.T, rank).scores.amin(dim=1)
            for part in rounded.split(self.query_block)
        ]
        return torch.cat(parts).to(rounded.dtype)

    def _extended_keys(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Return half (n, dim + EXTRA), n padded to whole chunks, and the longest key's length."""
        keys = self._keys(start, stop) - self.mean
        padded = -(-(stop - start) // CHUNK) * CHUNK
        extended = keys.new_zeros((padded, keys.shape[1] + EXTRA), dtype=self.half)
        extended[: stop - start, : keys.shape[1]] = keys
        rounded = extended[: stop - start, : keys.shape[1]].float()
        longest = rounded.norm(dim=1).max()
        error = (keys - rounded).norm(dim=1)
        # One per cent more, and a little, so that rounding this column itself cannot lower it.
        extended[: stop - start, -EXTRA] = error * 1.01 + 1e-6
        extended[stop - start :, -EXTRA] = DROPPED
        extended[:, 1 - EXTRA] = 1.0
        return extended, longest
