"""Which images are used: a split comes in, a share of it or its whole batches come out."""

from dataclasses import replace

import numpy as np

from neco.data.dataset import IGNORED, Dataset
from neco.errors import UserError
from neco.features import Features


def subset_size(images: int, denominator: int) -> int:
    """Return how many of `images` a share of 1 / denominator keeps: 10,582 / 128 is 83."""
    return max(round(images / denominator), 1)


def balanced_subset(present: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Return `size` image indices, ascending, drawn so that classes show in equally many images.

    present: bool (images, classes), which classes each image shows. Each step adds a random image
    with the class that the chosen images show least. So where the split has enough images of each
    class, 83 images show each of 20 classes at least 4 times. A seed always gives the same images.
    Source: paper, appendix A.2.
    """
    generator = np.random.default_rng([seed, size])
    images, classes = present.shape
    if size >= images:
        return np.arange(images)
    unused = np.ones(images, dtype=bool)
    counts = np.zeros(classes, dtype=np.int64)
    tie_break = generator.random(classes)
    chosen = []
    for _ in range(size):
        there = present[unused].any(axis=0)
        if there.any():
            order = np.where(there, counts + tie_break, np.inf)
            candidates = np.flatnonzero(unused & present[:, order.argmin()])
        else:
            candidates = np.flatnonzero(unused)  # only images without a labelled pixel are left
        pick = generator.choice(candidates)
        unused[pick] = False
        counts += present[pick]
        chosen.append(pick)
    return np.sort(np.array(chosen))


def random_subset(images: int, denominator: int, seed: int) -> np.ndarray:
    """Return int(images / denominator) image indices, ascending, whatever they show.

    Source: open-hummingbird-eval, where the name of a dataset states a share of it.
    """
    size = max(images // denominator, 1)
    generator = np.random.default_rng([seed, size])
    return np.sort(generator.permutation(images)[:size])


def whole_batches(
    features: Features, dataset: Dataset, size: int | None
) -> tuple[Features, Dataset]:
    """Return the first images of a split, as many as fill batches of `size`; None returns all.

    Raises UserError where not one batch is full.
    """
    count = len(dataset) if size is None else len(dataset) // size * size
    if not count:
        raise UserError(
            f"{dataset.folder}: split '{dataset.split}' has {len(dataset)} images, fewer than one "
            f"batch of {size}; set whole_batches lower, or to null"
        )
    if count == len(dataset):
        return features, dataset
    first = Features(features.tokens[:count], features.ids[:count], features.about)
    return first, replace(dataset, items=dataset.items[:count])


def images_to_show(dataset: Dataset, count: int, classes: int = 2, seed: int = 0) -> list[int]:
    """Return `count` indices drawn at random from the images that show at least `classes` classes.

    So no picture is picked by hand, and the same seed gives the same images. Where too few images
    show so many classes, they are drawn from all.
    """
    order = np.random.default_rng(seed).permutation(len(dataset)).tolist()
    rich: list[int] = []
    for index in order:
        if len(rich) == count:
            break
        found = np.unique(dataset.items[index].read_mask())
        if (found != IGNORED).sum() >= classes:
            rich.append(index)
    return sorted(rich if len(rich) == count else order[:count])
