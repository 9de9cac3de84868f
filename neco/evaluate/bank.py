"""The memory bank: patch tokens and their soft labels, built image by image.

Keys are stored as the tokens came (float16: 10.24 million x 384 take 7.9 GB) beside the inverse
of their norms, so a normalised key is the float32 it would be without compression.
"""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix


@dataclass
class Bank:
    """Keys of the nearest-neighbour search and what each of them is labelled."""

    tokens: np.ndarray
    """float16 or float32 (N, dim), as extracted; memory-mapped where the bank is large."""
    inverse_norms: np.ndarray
    """float32 (N,)."""
    soft: csr_matrix
    """float32 (N, classes)."""

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
    """Return float32 (N,), 1 / |token|; 0 for a token of zeros, whose cosine is then 0."""
    norms = np.linalg.norm(tokens.astype(np.float32), axis=-1)
    return np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)


def normalised(tokens: np.ndarray) -> np.ndarray:
    """Return tokens (N, dim) as float32 of norm 1."""
    return tokens.astype(np.float32) * inverse_norms(tokens)[:, None]


def build_bank(
    images: Iterable[tuple[np.ndarray, np.ndarray]],
    soft: csr_matrix,
    dim: int,
    dtype: np.dtype | type = np.float16,
    folder: Path | None = None,
) -> Bank:
    """Return the bank of (tokens (patches, dim), chosen patch indices) of each image in turn.

    soft (N, classes): labels of the chosen patches, in the same order; N is known from it.
    The images may come straight from the extractor: one at a time is held. With `folder` the
    tokens go to an unnamed memory-mapped file there instead of memory.
    """
    count = soft.shape[0]
    tokens: np.ndarray
    if folder is None:
        tokens = np.empty((count, dim), dtype)
    else:
        with tempfile.TemporaryFile(dir=folder) as file:  # vanishes with the last mapping
            tokens = np.memmap(file, dtype, "w+", shape=(count, dim))
    scales = np.empty(count, np.float32)
    done = 0
    for image_tokens, chosen in images:
        end = done + len(chosen)
        tokens[done:end] = image_tokens[chosen]
        scales[done:end] = inverse_norms(tokens[done:end])
        done = end
    if done != count:
        raise ValueError(f"{done} patches came for {count} labels")
    return Bank(tokens, scales, soft)
