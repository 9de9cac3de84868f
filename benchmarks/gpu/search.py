"""Exact in-context search at the paper's size: 10.24 million keys, the queries of VOC's val."""

import time
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks.gpu.bench import Bench, digits
from neco.evaluate.search.bank import Bank
from neco.evaluate.search.exact import PASS_QUERIES, ExactSearch
from neco.evaluate.search.selection import Keys

KEYS, QUERIES, DIM, NEIGHBOURS = 10_240_000, 1_449 * 37**2, 384, 30
"""Memory bank of the paper; 1,449 images of 518 pixels; ViT-S/14."""
CHECKED = 256
"""Queries whose neighbours are compared with those of one float32 product over all keys"""
TOLD = 10.0
"""Seconds between two records of a search that goes on"""
CHECKING = 10.0
"""Seconds of a search's time that are left for its check"""
KEPT = 35.0
"""Seconds that the first way of storing keys leaves for the second, which then searches once"""


def measure(bench: Bench) -> Iterator[dict[str, Any]]:
    """Yield time and share of proofs, then how far the neighbours are from plain float32 ones."""
    keys, queries = bench.size((KEYS, QUERIES), (20_000, 600))
    began = time.perf_counter()
    bank = bank_of(keys, bench.device)
    yield {"measured": "bank", "keys": keys, "dim": DIM, "seconds": since(began)}
    if not bench.rehearse:  # a CPU without fast half precision would need faiss for it
        yield from searched(bench, bank, queries, "float16", bench.left() - KEPT)
        if bench.left() < 2 * CHECKING:
            yield {"measured": "left out", "search": "int8", "seconds_left": digits(bench.left())}
            return
    yield from searched(bench, bank, min(queries, PASS_QUERIES), "int8", bench.left())


def tokens(count: int, seed: int, device: torch.device) -> Tensor:
    """Return float16 (count, DIM), distributed as in benchmarks/evaluation/measure.py."""
    fixed = torch.Generator(device).manual_seed(1)
    own = torch.Generator(device).manual_seed(1000 + seed)

    def normal(*shape: int, generator: torch.Generator = own) -> Tensor:
        return torch.randn(*shape, generator=generator, device=device)

    centres = normal(20, DIM, generator=fixed) + 0.8
    basis = normal(4, DIM, generator=fixed) * 0.3
    scales = torch.linspace(1.5, 0.5, 4, device=device)
    which = torch.randint(0, 20, (count,), generator=own, device=device)
    near = normal(count, 4) * scales
    return (centres[which] + near @ basis + 0.3 * normal(count, DIM)).half()


def bank_of(count: int, device: torch.device) -> Bank:
    """Return a bank of so many keys, made on the device block by block; it has no labels."""
    stored, scales = np.empty((count, DIM), np.float16), np.empty(count, np.float32)
    for number, start in enumerate(range(0, count, PASS_QUERIES)):
        block = tokens(min(PASS_QUERIES, count - start), number, device)
        stored[start : start + len(block)] = block.cpu().numpy()
        scales[start : start + len(block)] = (1 / block.float().norm(dim=1)).cpu().numpy()
    return Bank(stored, scales, None)  # type: ignore[arg-type]


def searched(
    bench: Bench, bank: Bank, queries: int, storage: Literal["float16", "int8"], seconds: float
) -> Iterator[dict[str, Any]]:
    """Yield what a search of all queries takes, in between as well, and its error.

    It ends early where `seconds` are over; one pass is always made.
    """
    until = time.monotonic() + seconds - bench.size(CHECKING, 0)
    began = time.perf_counter()
    search = ExactSearch(bank, bench.device, storage)
    bench.wait()
    common = {"search": search.name, "keys": len(bank), "neighbours": NEIGHBOURS}
    yield {"measured": "index", **common, "seconds": since(began)}
    done, spent, told, last = 0, 0.0, time.perf_counter(), False
    while not last:
        asked = normalize(
            tokens(min(PASS_QUERIES, queries - done), 10**6 + done, bench.device).float()
        )
        block = asked.cpu().numpy()
        bench.wait()
        began = time.perf_counter()
        cosines, _ = search.search(block, NEIGHBOURS)
        spent += time.perf_counter() - began
        done += len(block)
        last = done >= queries or time.monotonic() >= until
        if last or time.perf_counter() - told > TOLD:
            told = time.perf_counter()
            yield {
                "measured": "search",
                **common,
                "queries": done,
                "of_queries": queries,
                "seconds": digits(spent),
                "queries_per_second": digits(done / spent),
                "proved_at_once": digits(1 - search.unproved / done, 6),
                "searched_in_float32": search.flat,
                "peak_mb": bench.peak_mb(),
            }
    few = slice(0, bench.size(CHECKED, 32))
    yield {"measured": "check", **common, **compared(bench, bank, asked[few], cosines[few])}


def compared(bench: Bench, bank: Bank, queries: Tensor, cosines: np.ndarray) -> dict[str, Any]:
    """Return the largest difference from the cosines that float32 products over all keys give."""
    keys = Keys(bank, bench.device)
    best = queries.new_full((len(queries), NEIGHBOURS), -2.0)
    for start, stop in keys.blocks():
        own = (queries @ keys.block(start, stop).T).topk(NEIGHBOURS, dim=1).values
        best = torch.cat([best, own], dim=1).topk(NEIGHBOURS, dim=1).values
    difference = (best.cpu() - torch.from_numpy(cosines)).abs().max().item()
    return {"queries": len(queries), "largest_difference": digits(difference, 3)}


def since(began: float) -> float:
    """Return the seconds since then."""
    return digits(time.perf_counter() - began)
