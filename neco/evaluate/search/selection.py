"""Parts of the exact search: scores come in, the largest of each row come out.

A bank's keys are here, too, block by block.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from neco.evaluate.search.bank import Bank

Part = TypeVar("Part")
Answer = TypeVar("Answer")

CHUNK = 32
"""How many scores a chunk has. Only its maximum is looked at first."""
KEY_BLOCK = 131_072
"""How many keys are scored at a time."""
RESCORED = 32
"""For how many queries candidates are read at a time, on a CPU."""
PAIRS = {"cpu": 16_384, "cuda": 262_144}
"""How many pairs of a query and a key are read at a time."""
SAMPLE = (1024, 16_384)
"""Fewest and most keys in the sample of a bank, which has one key of a hundred."""


class Found(NamedTuple):
    """Scores float32 (Q, k) and key indices int64 (Q, k)."""

    scores: Tensor
    indices: Tensor


def largest(scores: Tensor, k: int) -> Found:
    """Return the k largest of each row of scores (Q, N) as float32, in no order.

    On a CPU, numpy's vectorised partition takes a fifth of torch.topk's time.
    """
    scores = scores.float()
    if scores.is_cuda:
        top = scores.topk(k, dim=1, sorted=False)
        return Found(top.values, top.indices)
    split = scores.shape[1] - k
    columns = torch.from_numpy(np.argpartition(scores.numpy(), split, axis=1)[:, split:])
    return Found(scores.gather(1, columns), columns)


def top_scores(scores: Tensor, k: int) -> Found:
    """Return the k largest of each row of scores (Q, N), in no order. N is a multiple of CHUNK.

    They are those of `largest`. The k largest scores lie in the k chunks with the largest maxima,
    so only these are looked through. Chunks are strided, so that neighbouring patches are in
    different ones.
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


def merged(first: Found | None, second: Found, k: int) -> Found:
    """Return the k largest scores of both, in no order."""
    if first is None:
        return second
    scores = torch.cat([first.scores, second.scores], dim=1)
    best = largest(scores, min(k, scores.shape[1]))
    indices = torch.cat([first.indices, second.indices], dim=1)
    return Found(best.scores, indices.gather(1, best.indices))


def stacked(parts: list[Found]) -> Found:
    """Return the rows of all parts one after the other."""
    return Found(torch.cat([p.scores for p in parts]), torch.cat([p.indices for p in parts]))


class Keys:
    """A bank's keys on a device, block by block.

    A GPU gets a copy of all tokens once, which takes 7.9 GB for 10.24 million of 384 float16
    numbers. If they are not `held`, it gets them from the bank whenever they are needed.
    """

    storage = "float16"
    bytes_per_number: int | None = None
    """On a GPU; None for those of the bank's own type."""
    candidates_per_neighbour = 4
    """How many candidates are scored in float32 for each neighbour that is asked for."""

    def __init__(self, bank: Bank, device: torch.device, *, held: bool = True) -> None:
        self.bank = bank
        self.device = device
        tokens = torch.from_numpy(bank.tokens)
        self.tokens = tokens.to(device) if held else tokens
        self.inverse_norms = torch.from_numpy(bank.inverse_norms).to(device)

    def __len__(self) -> int:
        return len(self.bank)

    def blocks(self) -> Iterator[tuple[int, int]]:
        """Yield (start, stop) of blocks of about equal length, at most KEY_BLOCK."""
        count = -(-len(self) // KEY_BLOCK)
        for number in range(count):
            yield len(self) * number // count, len(self) * (number + 1) // count

    def block(self, start: int, stop: int, step: int = 1) -> Tensor:
        """Return normalised keys, float32 (N, dim)."""
        tokens = self.tokens[start:stop:step].to(self.device).to(torch.float32, copy=True)
        return tokens.mul_(self.inverse_norms[start:stop:step, None])

    @cached_property
    def sample(self) -> Tensor:
        """Return about one key in a hundred, float32 (N, dim)."""
        wanted = min(max(len(self) // 100, SAMPLE[0]), SAMPLE[1], len(self))
        return self.block(0, len(self), len(self) // wanted)

    @cached_property
    def mean(self) -> Tensor:
        """Return the sample's mean, float32 (dim,)."""
        return self.sample.mean(dim=0)

    def centred(self, start: int, stop: int) -> tuple[Tensor, Tensor | float]:
        """Return keys less the mean, float32 (N, dim), and how far off each may be, as a length."""
        return self.block(start, stop).sub_(self.mean), 0.0

    def cosines(self, queries: Tensor, indices: Tensor) -> Tensor:
        """Return float32 cosines (Q, k) of queries (Q, dim) to the keys at `indices` (Q, k)."""
        if self.device.type == "cuda":
            read = self.tokens[indices.flatten().to(self.tokens.device)].to(self.device)
            keys = read.float().unflatten(0, indices.shape)
            return torch.bmm(keys, queries[:, :, None])[:, :, 0] * self.inverse_norms[indices]
        # On a CPU, numpy reads and multiplies rows several times faster than torch. A few queries
        # at a time, in the same memory, stay in cache.
        places, rows = indices.numpy(), queries.numpy()
        shape = (RESCORED, *places.shape[1:], rows.shape[1])
        stored, near = np.empty(shape, self.bank.tokens.dtype), np.empty(shape, np.float32)
        products = np.empty((*places.shape, 1), np.float32)
        for start in range(0, len(rows), RESCORED):
            some = slice(start, min(start + RESCORED, len(rows)))
            count = some.stop - start
            np.take(self.bank.tokens, places[some], axis=0, out=stored[:count], mode="clip")
            torch.from_numpy(near[:count]).copy_(torch.from_numpy(stored[:count]))
            np.matmul(near[:count], rows[some, :, None], out=products[some])
        return torch.from_numpy(products[:, :, 0] * self.bank.inverse_norms[places])

    def pair_cosines(self, queries: Tensor, rows: Tensor, indices: Tensor) -> Tensor:
        """Return the cosines of pairs, float32 (N,).

        A pair is the query (of Q, dim) at `rows` and the key at `indices`, both (N,).
        """
        cosines = queries.new_empty(len(rows))
        step = PAIRS[self.device.type]
        for start in range(0, len(rows), step):
            row, index = rows[start : start + step], indices[start : start + step]
            near = self.tokens[index.to(self.tokens.device)].to(self.device).float()
            products = near.mul_(queries[row]).sum(dim=1)
            cosines[start : start + step] = products * self.inverse_norms[index]
        return cosines


def in_threads(
    function: Callable[[Part], Answer], parts: list[Part], device: torch.device
) -> list[Answer]:
    """Return what the function returns for each part, in order. On a CPU, threads share the parts.

    Then all cores have work, even where a library would use one.
    """
    threads = torch.get_num_threads()
    if device.type != "cpu" or threads == 1 or len(parts) == 1:
        return [function(part) for part in parts]
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return list(pool.map(function, parts))
    finally:
        torch.set_num_threads(threads)
