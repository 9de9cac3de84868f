"""Backends of faiss (flat, inverted lists, GPU) and ScaNN: a bank comes in, a search comes out.

Only the flat ones are exact. The others are there for comparison.
"""

from importlib import import_module
from typing import Any

import faiss
import numpy as np

from neco.config.in_context import Ivf, Scann
from neco.errors import UserError
from neco.evaluate.search.bank import Bank

ADDED = 65_536
"""How many keys an index is given at a time."""


class FaissSearch:
    """A faiss index over a bank."""

    def __init__(self, index: Any, bank: Bank, name: str, *, exact: bool) -> None:
        for start in range(0, len(bank), ADDED):
            index.add(bank.keys(start, start + ADDED))
        self.index = index
        self.name = name
        self.exact = exact

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return cosines float32 and key indices int64, each (Q, k), nearest first.

        Where an approximate index finds fewer than k keys, the last one is repeated.
        """
        cosines, indices = self.index.search(queries, k)
        missing = indices < 0
        if missing.any():
            found = np.maximum((~missing).sum(axis=1, keepdims=True) - 1, 0)
            last = np.minimum(np.arange(k), found)
            cosines = np.take_along_axis(cosines, last, axis=1)
            indices = np.maximum(np.take_along_axis(indices, last, axis=1), 0)
        return cosines, indices


def faiss_flat(bank: Bank) -> FaissSearch:
    """Return exact search by faiss on the CPU; keeps the bank in float32 (N * dim * 4 bytes)."""
    return FaissSearch(faiss.IndexFlatIP(bank.dim), bank, "faiss flat (float32)", exact=True)


def faiss_gpu(bank: Bank) -> FaissSearch:
    """Return exact search by faiss on the GPU. Raises UserError without faiss-gpu or a GPU."""
    refuse_without_gpu()
    index = faiss.index_cpu_to_all_gpus(faiss.IndexFlatIP(bank.dim))
    return FaissSearch(index, bank, "faiss flat (float32, GPU)", exact=True)


def refuse_without_gpu() -> None:
    """Raise UserError where faiss has no GPU to search on."""
    if not hasattr(faiss, "StandardGpuResources") or faiss.get_num_gpus() == 0:
        raise UserError(
            "in_context.search: faiss-gpu needs the faiss-gpu package and a GPU, and one is "
            "missing; use search: exact, which runs on a GPU without it"
        )


def faiss_ivf(bank: Bank, settings: Ivf) -> FaissSearch:
    """Return approximate search by faiss inverted lists, trained on at most 256 keys a list."""
    lists = min(settings.lists, max(len(bank) // 39, 1))  # 39 keys a list: faiss's minimum
    quantizer = faiss.IndexFlatIP(bank.dim)
    index = faiss.IndexIVFFlat(quantizer, bank.dim, lists, faiss.METRIC_INNER_PRODUCT)
    index.cp.niter = settings.iterations
    step = max(len(bank) // (256 * lists), 1)
    sample = bank.tokens[::step].astype(np.float32) * bank.inverse_norms[::step, None]
    index.train(sample)
    index.nprobe = settings.lists_to_search
    name = f"faiss IVF ({lists} lists, {settings.lists_to_search} searched)"
    found = FaissSearch(index, bank, name, exact=False)
    found.quantizer = quantizer  # type: ignore[attr-defined]  # the index does not own it
    return found


def imported_scann() -> Any:
    """Return the package scann. Raises UserError where it is not installed."""
    try:
        return import_module("scann")
    except ImportError:
        raise UserError(
            "in_context.search: scann needs the package of that name (pip install scann); "
            "search: exact needs nothing further and finds the true neighbours"
        ) from None


class ScannSearch:
    """ScaNN as the paper's open implementation of the benchmark configures it."""

    exact = False

    def __init__(self, bank: Bank, k: int, settings: Scann) -> None:
        scann = imported_scann()
        leaves = min(settings.leaves, max(len(bank) // 16, 1))
        self.name = f"ScaNN ({leaves} leaves, {settings.leaves_to_search} searched)"
        self.searcher = (
            scann.scann_ops_pybind.builder(bank.keys(), k, "dot_product")
            .tree(leaves, settings.leaves_to_search, training_sample_size=len(bank))
            .score_ah(
                settings.dimensions_per_block,
                anisotropic_quantization_threshold=settings.anisotropic_threshold,
            )
            .reorder(settings.reorder)
            .build()
        )

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return cosines float32 and key indices int64, each (Q, k), nearest first."""
        indices, cosines = self.searcher.search_batched_parallel(queries, final_num_neighbors=k)
        return np.nan_to_num(cosines, nan=-1.0), indices.astype(np.int64)
