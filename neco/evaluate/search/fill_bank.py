"""Filling the memory bank: cached features or augmented images come in, the bank comes out.

Only one image's patches, or one batch's, are held at a time. Source: open-hummingbird-eval.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix
from torch import nn

from neco.config.extraction import Extraction
from neco.config.in_context import InContext
from neco.data.dataset import Dataset
from neco.evaluate.augment import AugmentedImages
from neco.evaluate.patch_labels import PatchLabels, image_labels, select_patches, soft_columns
from neco.evaluate.search.bank import Bank, build_bank
from neco.features import Features, device_of, frozen_tokens
from neco.loading import loader
from neco.normalisation import IMAGENET, Normalisation

Part = tuple[np.ndarray, csr_matrix]
"""Tokens (N, dim) and soft labels (N, columns) of one image's chosen patches."""


def fill_bank(
    train: Features,
    labels: PatchLabels,
    images: np.ndarray,
    memory_size: int,
    seed: int,
    folder: Path | None = None,
) -> Bank:
    """Return the memory bank of some training images, with equally many patches from each.

    images: their indices in the split. memory_size: most patches of the bank. folder: where a
    memory-mapped bank is written; None keeps it in memory.
    """
    share = min(max(memory_size // len(images), 1), labels.patches)
    dim = train.tokens.shape[-1]

    def parts() -> Iterator[Part]:
        for image in images:
            own = labels.soft[image * labels.patches : (image + 1) * labels.patches]
            chosen = select_patches(own, share, np.random.default_rng([seed, image]))
            yield train.tokens[image].reshape(-1, dim)[chosen], own[chosen]

    return build_bank(parts(), share * len(images), dim, train.tokens.dtype, folder)


def fill_augmented_bank(
    backbone: nn.Module,
    dataset: Dataset,
    side: int,
    images: np.ndarray,
    settings: InContext,
    seed: int,
    *,
    extraction: Extraction,
    normalisation: Normalisation = IMAGENET,
    folder: Path | None = None,
) -> Bank:
    """Return the memory bank of several passes over augmented training images.

    Every pass crops each image anew, changes its colours and sends it through the backbone at
    (side, side) pixels. It keeps equally many patches of each view, chosen by the view's labels.
    """
    epochs = settings.augmentation.epochs
    patch_size, dim = int(backbone.patch_size), int(backbone.dim)  # type: ignore[arg-type]
    patches = (side // patch_size) ** 2
    share = min(max(settings.memory_size // (len(images) * epochs), 1), patches)
    subset = replace(dataset, items=[dataset.items[image] for image in images])
    classes, columns = len(dataset.classes), soft_columns(dataset)

    def parts() -> Iterator[Part]:
        backbone.eval()
        for epoch in range(epochs):
            changed = AugmentedImages(
                subset,
                side,
                side,
                (seed, epoch),
                settings.augmentation.crop_scale,
                jitter=settings.augmentation.jitter,
                jitter_probability=settings.augmentation.jitter_probability,
                resampling=settings.resampling,
                normalisation=normalisation,
            )
            images_of = loader(
                changed,
                extraction.batch_size,
                workers=extraction.workers,
                pin_memory=device_of(backbone).type == "cuda",
            )
            number = 0
            for batch, masks in images_of:
                found = frozen_tokens(backbone, batch, extraction.precision)
                tokens = found.flatten(1, 2).cpu().numpy()
                for own, mask in zip(tokens, masks.numpy(), strict=True):
                    labels = image_labels(mask, patch_size, classes, columns)
                    generator = np.random.default_rng([seed, epoch, number])
                    chosen = select_patches(labels, share, generator)
                    yield own[chosen], labels[chosen]
                    number += 1

    count = share * len(images) * epochs
    return build_bank(parts(), count, dim, np.dtype(extraction.dtype), folder)
