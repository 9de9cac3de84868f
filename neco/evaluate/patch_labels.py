"""Soft labels of patches: the class histogram of each patch's pixels, stored sparsely.

Most patches hold one or two classes, so a row costs a few bytes whatever the number of classes:
10.24 million patches of 151 classes take about 0.2 GB.
Source: open-hummingbird-eval (protocol of the paper's in-context evaluation, appendix A.2).
"""

import json
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from neco.data.dataset import IGNORED, Dataset
from neco.errors import UserError
from neco.evaluate.transforms import resize_nearest


@dataclass(frozen=True)
class PatchLabels:
    """Labels of all patches of a split, and which classes each image shows."""

    soft: csr_matrix
    """float32 (images * patches, classes); a row holds the shares of the classes, sum 1.

    One column more, of unlabelled pixels, where the dataset has no background class."""
    present: np.ndarray
    """bool (images, classes): classes in the mask at its own size, ignored pixels left out."""
    patches: int
    """Patches per image."""


def has_background(dataset: Dataset) -> bool:
    """Return whether class 0 of a prepared dataset is its background."""
    return bool(json.loads((dataset.folder / "classes.json").read_text())["background"])


def patch_histograms(
    mask: np.ndarray, patch_size: int, classes: int, ignored_as: int = 0
) -> np.ndarray:
    """Return int64 (patches, classes): pixels of each class in each patch, row-major.

    mask: integers (side, side), side a multiple of patch_size; 255 (ignored) counts as class
    `ignored_as`, in the reference 0.
    """
    rows, columns = mask.shape[0] // patch_size, mask.shape[1] // patch_size
    labels = np.where(mask == IGNORED, ignored_as, mask).astype(np.int64)
    if labels.max(initial=0) >= classes:
        raise UserError(
            f"a mask holds class {labels.max()}, but the dataset has {classes} classes; "
            "prepare the dataset again"
        )
    row_of = np.arange(mask.shape[0]) // patch_size * columns
    patch_of = row_of[:, None] + np.arange(mask.shape[1]) // patch_size
    counts = np.bincount((patch_of * classes + labels).ravel(), minlength=rows * columns * classes)
    return counts.reshape(rows * columns, classes)


def read_patch_labels(dataset: Dataset, side: int, patch_size: int) -> PatchLabels:
    """Return the soft labels of a split whose masks are brought to (side, side) by nearest.

    Ignored pixels become class 0 where that is the background (VOC: the reference's rule).
    Elsewhere class 0 is a thing of its own, so they get a column of their own: on ADE20K that is
    what the reference does too, whose class 0 is "other".
    """
    classes = len(dataset.classes)
    ignored_as = 0 if has_background(dataset) else classes
    columns_of_soft = max(classes, ignored_as + 1)
    shares, columns, widths = [], [], []
    present = np.zeros((len(dataset), classes), dtype=bool)
    for number, item in enumerate(dataset.items):
        mask = item.read_mask()
        shown = np.bincount(mask.ravel(), minlength=IGNORED + 1)
        square = resize_nearest(mask, side, side)
        counts = patch_histograms(square, patch_size, columns_of_soft, ignored_as)
        present[number] = shown[:classes] > 0
        patch, column = np.nonzero(counts)
        shares.append((counts[patch, column] / patch_size**2).astype(np.float32))
        columns.append(column.astype(np.int32))
        widths.append(np.bincount(patch, minlength=len(counts)))
    ends = np.concatenate([[0], np.cumsum(np.concatenate(widths))])
    patches = (side // patch_size) ** 2
    soft = csr_matrix(
        (np.concatenate(shares), np.concatenate(columns), ends.astype(np.int32)),
        shape=(len(dataset) * patches, columns_of_soft),
    )
    return PatchLabels(soft, present, patches)


def select_patches(soft: csr_matrix, count: int, generator: np.random.Generator) -> np.ndarray:
    """Return which of one image's patches enter the bank, ascending; all if it has no more.

    soft: (patches, classes). A patch's score is the sum, over the classes present in it, of how
    many patches of the image hold the class, times U(0, 1); the smallest enter. So patches of
    rare classes come first. Source: open-hummingbird-eval.
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
    """Return float32 (queries, classes): softmax(cosine / temperature)-weighted neighbour labels.

    cosines float (queries, k) and neighbours int (queries, k) are what the search returned; rows
    of `soft` (bank, classes) are the neighbours' labels. No key is read again.
    """
    logits = cosines / temperature
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    queries, k = neighbours.shape
    starts = np.arange(0, queries * k + 1, k)
    mixing = csr_matrix(
        (weights.astype(np.float32).ravel(), neighbours.ravel(), starts),
        shape=(queries, soft.shape[0]),
    )
    return (mixing @ soft).toarray()
