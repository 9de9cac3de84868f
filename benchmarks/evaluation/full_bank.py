"""The paper's memory bank at its full size: built from a stream, mapped from a file, queried."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.evaluation.cases import NEIGHBOURS
from benchmarks.evaluation.measure import forget_peak, memory, streamed_parts, tokens_like_a_vit
from neco.evaluate.patch_labels import transfer_labels
from neco.evaluate.search.bank import build_bank, unit_length
from neco.evaluate.search.exact import ExactSearch
from neco.precision import device_name


def full_bank(
    folder: Path, count: int, queries: int, device: str, storages: list[str]
) -> Iterator[dict[str, Any]]:
    """Build the paper's memory bank of synthetic features, mapped from `folder`, and query it.

    `anonymous_mb` is what a process must hold in memory; the rest of `peak_mb` are pages of the
    bank's file, which the system takes back when others need the room.
    """
    forget_peak()
    began, spent = time.perf_counter(), time.process_time()
    bank = build_bank(streamed_parts(count), count, 384, np.float16, folder)
    asked = unit_length(tokens_like_a_vit(queries, seed=7))
    yield {
        "part": "full-bank",
        "implementation": "build, streamed to a file",
        "size": count,
        "unit": "keys",
        "seconds": round(time.perf_counter() - began, 1),
        "cpu_seconds": round(time.process_time() - spent, 1),
        "peak_mb": round(memory("VmHWM")),
        "anonymous_mb": round(memory("RssAnon")),
    }
    first = None
    for storage in storages:
        forget_peak()
        began, spent = time.perf_counter(), time.process_time()
        search = ExactSearch(bank, device, storage)  # type: ignore[arg-type]
        ready = time.perf_counter()
        cosines, neighbours = search.search(asked, NEIGHBOURS)
        transfer_labels(cosines, neighbours, bank.soft, 0.02)
        done = time.perf_counter()
        first = cosines if first is None else first
        yield {
            "part": "full-bank",
            "implementation": search.name,
            "size": count,
            "unit": "keys",
            "index_seconds": round(ready - began, 1),
            "queries": queries,
            "seconds": round(done - ready, 1),
            "cpu_seconds": round(time.process_time() - spent, 1),
            "seconds_per_query": round((done - ready) / queries, 5),
            "unproved": search.unproved,
            "flat": search.flat,
            "largest_difference": float(np.abs(cosines - first).max()),
            "peak_mb": round(memory("VmHWM")),
            "anonymous_mb": round(memory("RssAnon")),
            "device": device_name(search.device),
            "device_peak_mb": round(torch.cuda.max_memory_allocated() / 2**20)
            if device == "cuda"
            else None,
        }
        del search
        if device == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
