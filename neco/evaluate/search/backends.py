"""One interface for all nearest-neighbour backends: a bank comes in, a search over it comes out."""

from typing import Protocol

import numpy as np
import torch

from neco.config.in_context import InContext
from neco.evaluate.search.bank import Bank
from neco.evaluate.search.exact import ExactSearch


class Search(Protocol):
    """Nearest neighbours in a bank by inner product of normalised vectors."""

    @property
    def name(self) -> str:
        """Return the backend with its settings, as conditions state it."""

    @property
    def exact(self) -> bool:
        """Return whether the neighbours are always the true ones."""

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return cosines float32 and key indices int64, each (Q, k), nearest first.

        queries: float32 (Q, dim), L2-normalised.
        """


def refuse_missing(settings: InContext) -> None:
    """Raise UserError where the package or the GPU of `settings.search` is missing."""
    if settings.search in ("scann", "faiss-gpu"):
        from neco.evaluate.search.libraries import imported_scann, refuse_without_gpu

        (imported_scann if settings.search == "scann" else refuse_without_gpu)()


def build_search(bank: Bank, settings: InContext, device: torch.device) -> Search:
    """Return the backend that `settings.search` names, over a bank.

    Raises UserError where its package or a GPU is missing.
    """
    if settings.search == "exact":  # which needs none of the libraries
        return ExactSearch(bank, device, settings.storage)
    from neco.evaluate.search.libraries import ScannSearch, faiss_flat, faiss_gpu, faiss_ivf

    if settings.search == "faiss-flat":
        return faiss_flat(bank)
    if settings.search == "faiss-gpu":
        return faiss_gpu(bank)
    if settings.search == "faiss-ivf":
        return faiss_ivf(bank, settings.ivf)
    return ScannSearch(bank, min(settings.neighbours, len(bank)), settings.scann)


def recall(found: np.ndarray, exact: np.ndarray) -> float:
    """Return the share of the exact neighbours (Q, k) that were found (Q, k), in any order."""
    hits = sum(np.isin(b, a).sum() for a, b in zip(found, exact, strict=True))
    return float(hits / exact.size)
