"""Exact nearest neighbours by blocked matrix products: queries come in, nearest keys come out.

It runs on a CPU or a GPU. Where half precision is much faster than float32 (on a GPU, and on a CPU
with bfloat16 instructions) there are two passes:

1. The first gives every key an *upper bound* of its cosine in half precision. It keeps a few more
   candidates than are asked for (half_pass.py).
2. The candidates are scored in float32. A query is proved where its k-th float32 cosine is above
   the bound of every key that was dropped. The others are searched again by their bounds
   (second_pass.py), and in float32 where too many keys lie too close.

So the answer is that of a float32 search, also where the first pass reads keys in 8 bits
(eight_bit.py).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from neco.errors import MachineError
from neco.evaluate.search.bank import Bank
from neco.evaluate.search.eight_bit import EightBitKeys
from neco.evaluate.search.half_pass import HalfPass
from neco.evaluate.search.second_pass import search_again
from neco.evaluate.search.selection import Found, Keys, in_threads, largest, merged, stacked
from neco.precision import fast_half, full_float32

SMALL = 8192
"""A bank with fewer keys is searched in one float32 pass."""
PASS_QUERIES = 65_536
"""How many queries are searched in one reading of the bank."""
PASS_AGAIN = 16_384
"""How many queries one second pass has. Its pairs of queries and keys have to fit in memory."""
RESCORED = {"cpu": 512, "cuda": 2048}
"""For how many queries candidates are scored at a time, by a thread of a CPU or on a GPU."""
FLOAT_QUERIES = 2048
"""How many queries one float32 product of torch has."""


FASTER = ("allow_fp16_reduced_precision_reduction", "allow_fp16_accumulation")
"""Switches of torch that let a GPU sum half precision in half precision."""


@contextmanager
def full_accumulation() -> Iterator[None]:
    """Make a GPU multiply and sum as it says, whatever torch is set to. The proof needs it.

    Products of float32 numbers stay in float32, and sums of half precision are made in float32.
    """
    matmul = torch.backends.cuda.matmul
    before = {name: getattr(matmul, name) for name in FASTER}
    for name in FASTER:
        setattr(matmul, name, False)
    try:
        with full_float32(), torch.autocast("cuda", enabled=False):
            yield
    finally:
        for name, value in before.items():
            setattr(matmul, name, value)


def imported_faiss() -> Any:
    """Return the package, which is the fastest on a CPU; None on a machine for a GPU without it."""
    try:
        import faiss
    except ImportError:
        return None
    return faiss


def _too_large(bank: Bank, device: torch.device, width: int | None) -> MachineError:
    """Return the error of a bank that takes `width` bytes a number, None for as it is stored."""
    needed = bank.tokens.size * (width or bank.tokens.itemsize)
    free = torch.cuda.mem_get_info(device)[0]
    return MachineError(
        f"in-context: the bank of {len(bank):,} patches takes {needed / 1e6:,.1f} MB on the GPU, "
        f"and {free / 1e6:,.1f} MB are free; set in_context.storage: int8, lower "
        "in_context.memory_size, or end other programs on this GPU"
    )


class ExactSearch:
    """Exact search: it finds the k keys with the largest cosines."""

    exact = True

    def __init__(
        self,
        bank: Bank,
        device: torch.device | str = "cpu",
        storage: Literal["float16", "int8"] = "float16",
    ) -> None:
        """Prepare a bank. With `int8` a first pass reads 8-bit keys, on any device.

        Raises MachineError where the bank does not fit on the GPU.
        """
        self.device = torch.device(device)
        half = fast_half(self.device.type)
        large = len(bank) >= SMALL
        kind = EightBitKeys if storage == "int8" and large else Keys
        try:
            self.keys = kind(bank, self.device)
        except torch.OutOfMemoryError:
            raise _too_large(bank, self.device, kind.bytes_per_number) from None
        if storage == "int8" and half is None:
            half = torch.float32  # 8-bit keys are decoded to it, which saves memory and no time
        self.first = HalfPass(self.keys, half) if half is not None and large else None
        self.unproved = 0
        """How many queries had to be searched again so far."""
        self.flat = 0
        """How many of these had to be searched in float32."""

    @property
    def name(self) -> str:
        """Return the backend as conditions state it."""
        first = "" if self.first is None else f"{str(self.first.half).removeprefix('torch.')} + "
        first = f"int8 as {first}" if self.keys.storage == "int8" else first
        return f"exact {self.device.type} ({first}float32)"

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return cosines float32 and key indices int64, each (Q, k), nearest first.

        queries: float32 (Q, dim), L2-normalised; k at most the bank's size.
        """
        cosines = np.empty((len(queries), k), np.float32)
        indices = np.empty((len(queries), k), np.int64)
        for start in range(0, len(queries), PASS_QUERIES):
            some = slice(start, start + PASS_QUERIES)
            part = torch.from_numpy(queries[some]).to(self.device)
            with full_accumulation():
                one = self.first is None
                found = self._float_pass(part, k) if one else self._two_passes(part, k)
            order = found.scores.argsort(dim=1, descending=True, stable=True)
            cosines[some] = found.scores.gather(1, order).cpu().numpy()
            indices[some] = found.indices.gather(1, order).cpu().numpy()
        return cosines, indices

    def _float_pass(self, queries: Tensor, k: int) -> Found:
        """Return the k nearest by float32 products alone."""
        best = None
        for start, stop in self.keys.blocks():
            keys = self.keys.block(start, stop)
            kept = min(k, stop - start)
            faiss = imported_faiss() if self.device.type == "cpu" else None
            if faiss is not None:
                scores, indices = faiss.knn(
                    queries.numpy(), keys.numpy(), kept, metric=faiss.METRIC_INNER_PRODUCT
                )
                block = Found(torch.from_numpy(scores), torch.from_numpy(indices))
            else:
                block = stacked(
                    [largest(part @ keys.T, kept) for part in queries.split(FLOAT_QUERIES)]
                )
            best = merged(best, Found(block.scores, block.indices + start), k)
        assert best is not None  # noqa: S101 (for mypy)
        return best

    def _two_passes(self, queries: Tensor, k: int) -> Found:
        """Return the k nearest: candidates in half precision, scored in float32.

        Queries that the bounds do not prove are searched again.
        """
        assert self.first is not None  # noqa: S101 (for mypy)
        wanted = min(self.keys.candidates_per_neighbour * k + 8, len(self.keys) // 2)
        candidates, limit = self.first.candidates(queries, max(wanted, k))

        def rescore(part: tuple[Tensor, Tensor]) -> Found:
            rows, indices = part
            best = largest(self.keys.cosines(rows, indices), k)
            return Found(best.scores, indices.gather(1, best.indices))

        size = RESCORED[self.device.type]
        parts = list(zip(queries.split(size), candidates.indices.split(size), strict=True))
        found = stacked(in_threads(rescore, parts, self.device))
        unproved = (found.scores.amin(dim=1) < limit).nonzero()[:, 0]
        self.unproved += len(unproved)
        for rows in unproved.split(PASS_AGAIN) if len(unproved) else ():
            again, crowded = search_again(
                self.first, queries[rows], found.scores[rows].amin(dim=1), k
            )
            found.scores[rows], found.indices[rows] = again
            flat = rows[crowded]
            if len(flat):
                self.flat += len(flat)
                found.scores[flat], found.indices[flat] = self._float_pass(queries[flat], k)
        return found
