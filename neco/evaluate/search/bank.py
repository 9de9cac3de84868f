"""The memory bank: patch tokens and their soft labels come in image by image, the bank comes out.

Keys are stored as the tokens came, beside the inverse of their norms. So a normalised key is the
same float32 vector as without a bank. 10.24 million keys of 384 float16 numbers take 7.9 GB.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # searching a bank needs no scipy
    from scipy.sparse import csr_matrix


@dataclass
class Bank:
    """The keys of the nearest-neighbour search, and the label of each."""

    tokens: np.ndarray
    """float16 or float32 (N, dim), as extracted. They may be memory-mapped."""
    inverse_norms: np.ndarray
    """float32 (N,): 1 / length of each token."""
    soft: csr_matrix
    """float32 (N, classes): the soft label of each token."""

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def dim(self) -> int:
        """Return the length of a key."""
        return int(self.tokens.shape[1])

    def keys(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Return L2-normalised keys, float32 (stop - start, dim)."""
        block = self.tokens[start:stop].astype(np.float32)
        return block * self.inverse_norms[start:stop, None]


def inverse_norms(tokens: np.ndarray) -> np.ndarray:
    """Return 1 / |token|, float32 (N,). A token of zeros has 0, so that its cosines are 0."""
    norms = np.linalg.norm(tokens.astype(np.float32), axis=-1)
    return np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)


def unit_length(tokens: np.ndarray) -> np.ndarray:
    """Return tokens (N, dim) as float32 of norm 1."""
    return tokens.astype(np.float32) * inverse_norms(tokens)[:, None]


def build_bank(
    parts: Iterable[tuple[np.ndarray, csr_matrix]],
    count: int,
    dim: int,
    dtype: np.dtype | type = np.float16,
    folder: Path | None = None,
) -> Bank:
    """Return the bank of all parts, which are tokens (N, dim) and their soft labels (N, classes).

    Only one part is held at a time, so parts may come straight from the extractor. count: how many
    patches all parts have. folder: where tokens go to an unnamed memory-mapped file; None keeps
    them in memory.
    """
    from scipy.sparse import vstack

    scales = np.empty(count, np.float32)
    soft: list[csr_matrix] = []
    done = 0
    with nullcontext() if folder is None else tempfile.TemporaryFile(dir=folder) as file:
        tokens = np.empty((count if file is None else 0, dim), dtype)
        for part, labels in parts:
            end = done + len(part)
            if end > count or len(part) != labels.shape[0]:
                raise ValueError(f"{end} patches, {labels.shape[0]} labels came for {count}")
            stored = np.ascontiguousarray(part, dtype)
            if file is None:
                tokens[done:end] = stored
            else:
                stored.tofile(file)
            scales[done:end] = inverse_norms(stored)
            soft.append(labels)
            done = end
        if done != count:
            raise ValueError(f"{done} patches came instead of {count}")
        if file is not None:
            file.flush()
            # The file has no name and vanishes with the last mapping.
            tokens = np.memmap(file, dtype, "r+", shape=(count, dim))
    return Bank(tokens, scales, vstack(soft, format="csr"))
