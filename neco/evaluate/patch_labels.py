"""Soft labels of patches: masks come in, the class histogram of each patch's pixels comes out.

They are stored sparsely. Most patches hold one or two classes, so a row costs a few bytes, however
many classes there are: 10.24 million patches of 151 classes take about 0.2 GB.
Source: open-hummingbird-eval (protocol of the paper's in-context evaluation, appendix A.2).
"""

import json
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.sparse import csr_matrix, vstack

from neco.data.dataset import IGNORED, Dataset
from neco.evaluate.metrics import refuse_unknown_classes
from neco.transforms import Resampling, resize_nearest

QUERIES = 2048
"""How many queries are labelled at a time, so that intermediate results stay in cache."""


@dataclass(frozen=True)
class PatchLabels:
    """Labels of all patches of a split, and which classes each image shows."""

    soft: csr_matrix
    """float32 (images * patches, classes): the share of each class in a patch; a row sums to 1.

    Where the dataset has no background class, one more column counts unlabelled pixels."""
    present: np.ndarray
    """bool (images, classes): which classes each image's mask shows, at its own size."""
    patches: int
    """Patches per image."""


def has_background(dataset: Dataset) -> bool:
    """Return whether class 0 of a prepared dataset is its background."""
    return bool(json.loads((dataset.folder / "classes.json").read_text())["background"])


def patch_histograms(
    mask: np.ndarray, patch_size: int, classes: int, ignored_as: int = 0
) -> np.ndarray:
    """Return how many pixels of each class each patch has, int64 (patches, classes), row by row.

    mask: integers (side, side), side a multiple of patch_size. Ignored pixels (255) count as the
    class `ignored_as`, which is 0 in the released code. Raises UserError for any other id.
    """
    refuse_unknown_classes(mask, classes, "a mask")
    labels = np.where(mask == IGNORED, ignored_as, mask)
    rows, columns = mask.shape[0] // patch_size, mask.shape[1] // patch_size
    bins = _first_bins(rows, columns, patch_size, classes) + labels
    counts = np.bincount(bins.ravel(), minlength=rows * columns * classes)
    return counts.reshape(rows * columns, classes)


@lru_cache(maxsize=4)
def _first_bins(rows: int, columns: int, patch_size: int, classes: int) -> np.ndarray:
    """Return int64 (rows * patch_size, columns * patch_size): where each pixel's patch begins."""
    patches = np.arange(rows * columns).reshape(rows, columns) * classes
    return patches.repeat(patch_size, axis=0).repeat(patch_size, axis=1)


def read_patch_labels(
    dataset: Dataset, side: int, patch_size: int, at: Resampling = "centre"
) -> PatchLabels:
    """Return the soft labels of a split.

    Masks are resized to (side, side) by nearest neighbour. Ignored pixels count as class 0 where
    that is the background, as in the released code on VOC. Where class 0 is a class like the
    others, ignored pixels have a column of their own. On ADE20K the released code does the same,
    since its class 0 is "other".
    """
    classes = len(dataset.classes)
    columns = soft_columns(dataset)
    soft = []
    present = np.zeros((len(dataset), classes), dtype=bool)
    for number, item in enumerate(dataset.items):
        mask = item.read_mask()
        shown = np.bincount(mask.ravel(), minlength=IGNORED + 1)
        present[number] = shown[:classes] > 0
        soft.append(
            image_labels(resize_nearest(mask, side, side, at), patch_size, classes, columns)
        )
    return PatchLabels(vstack(soft, format="csr"), present, (side // patch_size) ** 2)


def soft_columns(dataset: Dataset) -> int:
    """Return how many columns soft labels have: the classes, and one more without a background."""
    return len(dataset.classes) + (not has_background(dataset))


def image_labels(mask: np.ndarray, patch_size: int, classes: int, columns: int) -> csr_matrix:
    """Return the soft labels of one image's patches, float32 (patches, columns).

    mask: (side, side), at the input size. columns: as `soft_columns` returns them. Where there is
    one more than classes, it counts the ignored pixels, and else class 0 does.
    """
    counts = patch_histograms(mask, patch_size, columns, classes if columns > classes else 0)
    patch, column = np.nonzero(counts)
    ends = np.concatenate([[0], np.cumsum(np.bincount(patch, minlength=len(counts)))])
    shares = (counts[patch, column] / patch_size**2).astype(np.float32)
    return csr_matrix((shares, column.astype(np.int32), ends.astype(np.int32)), counts.shape)


def select_patches(soft: csr_matrix, count: int, generator: np.random.Generator) -> np.ndarray:
    """Return which patches of one image enter the bank, ascending: at most `count`.

    soft: (patches, classes). The score of a patch is the sum over its classes of how many patches
    of the image hold the class, multiplied by a random number from 0 to 1. The patches with the
    smallest scores enter, so patches of rare classes are preferred. Source: open-hummingbird-eval.
    """
    patches = soft.shape[0]
    if count >= patches:
        return np.arange(patches)
    holders = np.bincount(soft.indices, minlength=soft.shape[1])
    commonness = np.add.reduceat(holders[soft.indices], soft.indptr[:-1])
    scores = commonness * generator.random(patches)
    return np.sort(np.argpartition(scores, count)[:count])


def transfer_labels(
    cosines: np.ndarray, neighbours: np.ndarray, soft: csr_matrix, temperature: float
) -> np.ndarray:
    """Return the labels of queries, float32 (Q, classes), from the labels of their neighbours.

    They are a mean with the weights softmax(cosine / temperature). cosines: float (Q, k),
    neighbours: int (Q, k), as the search returned them. soft: (N, classes), the labels of all keys.
    """
    logits = cosines / temperature
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    queries, k = neighbours.shape
    labels = np.empty((queries, soft.shape[1]), np.float32)
    for start in range(0, queries, QUERIES):
        some = neighbours[start : start + QUERIES]
        ends = np.arange(0, some.size + 1, k)
        shares = weights[start : start + QUERIES].astype(np.float32).ravel()
        mixing = csr_matrix((shares, some.ravel(), ends), shape=(len(some), soft.shape[0]))
        labels[start : start + QUERIES] = (mixing @ soft).toarray()
    return labels
