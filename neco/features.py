"""Frozen features: the patch tokens of a split, extracted once and read by every evaluation.

A backbone and a dataset's split come in, and a folder comes out that says what it was made from:

    <folder>/features.npy   (images, rows, columns, dim), float16 or float32, memory-mapped
    <folder>/about.json     model, dataset, split, image_size, patch_size, ids, digests, seconds

about.json is written last, so a folder that has one is complete.
"""

import hashlib
import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset as TorchDataset

from neco.config.extraction import Extraction, Precision
from neco.data.dataset import Dataset
from neco.errors import UserError
from neco.files import read_json, whole_file, write_json
from neco.identity import array_digest, model_digest
from neco.loading import loader
from neco.normalisation import IMAGENET, Normalisation
from neco.precision import device_name, full_float32, training_precision
from neco.transforms import image_tensor, input_side

STATED = (
    *("dataset", "split", "image_size", "patch_size", "grid", "dtype", "digest", "device", "ids"),
    *("seconds", "model", "weights_digest", "model_digest", "dataset_digest", "dim", "colours"),
)
"""Keys of about.json that a metrics file has fields of its own for, or does not need."""
ALIKE = {
    "model_digest": "weights",
    "backbone": "backbone",
    "image_size": "image_size",
    "grid": "grid of patches",
    "block": "block",
    "dim": "length of a token",
}
"""Keys of about.json in which training and held-out features must agree, and their names."""
NEEDED = (
    *("model_digest", "dataset_digest", "digest", "image_size", "patch_size", "grid", "ids", "dim"),
)
"""Keys of about.json that say what the features were made from. They are needed."""
AGAIN = "extract them again"


@dataclass(frozen=True)
class Features:
    """Frozen patch tokens of one split."""

    tokens: np.ndarray
    """(images, rows, columns, dim), float16 or float32, memory-mapped."""
    ids: list[str]
    """The images' ids in the dataset, in the same order."""
    about: dict[str, Any]
    """The content of about.json."""

    def identity(self) -> dict[str, Any]:
        """Return what about.json says of the model, without the keys in STATED."""
        return {key: value for key, value in self.about.items() if key not in STATED}

    def matches(self, dataset: Dataset) -> None:
        """Raise UserError unless these features are those of exactly that split, in its order."""
        stated = self.about.get("dataset_digest")
        if stated is not None and stated != dataset.digest():
            raise UserError(
                f"{dataset.folder}: split '{dataset.split}' is not what the features were made of: "
                f"images, masks or classes have changed since; {AGAIN}"
            )
        if self.ids != [item.id for item in dataset.items]:
            raise UserError(
                f"{dataset.folder}: split '{dataset.split}' ({len(dataset)} images) is not what "
                f"the features hold ({self.about['dataset']}/{self.about['split']}, "
                f"{len(self.ids)} images); extract them again"
            )

    def agrees(self, other: "Features") -> None:
        """Raise UserError unless both are of one model, at one size."""
        for key, name in ALIKE.items():
            mine, theirs = self.about.get(key), other.about.get(key)
            if mine != theirs:
                raise UserError(
                    f"training and held-out features differ in {name}: {mine} and {theirs}; "
                    "extract both with the same image_size, backbone and weights"
                )


class SquareImages(TorchDataset):
    """The images of a split as workers read them: resized to squares and normalised."""

    def __init__(self, dataset: Dataset, side: int, normalisation: Normalisation) -> None:
        self.dataset = dataset
        self.side = side
        self.normalisation = normalisation

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Tensor:
        image = self.dataset.items[index].read_image()
        return image_tensor(image, self.side, self.normalisation)


def stream_tokens(
    backbone: nn.Module,
    dataset: Dataset,
    side: int,
    settings: Extraction,
    normalisation: Normalisation = IMAGENET,
) -> Iterator[np.ndarray]:
    """Yield a split's patch tokens, float32 (B, rows, columns, dim), in the order of its index.

    side: width and height of the images in pixels, a multiple of the patch size. The tokens are
    computed on the device of the backbone's parameters.
    """
    on_gpu = device_of(backbone).type == "cuda"
    batches = loader(
        SquareImages(dataset, side, normalisation),
        settings.batch_size,
        workers=settings.workers,
        pin_memory=on_gpu,
    )
    backbone.eval()
    for images in batches:
        tokens = frozen_tokens(backbone, images, settings.precision)
        yield tokens.cpu().numpy()


@torch.no_grad()
def frozen_tokens(
    backbone: nn.Module, images: Tensor, precision: Precision = "bf16-on-gpu"
) -> Tensor:
    """Return the patch tokens, float32 (B, rows, columns, dim), of normalised images (B, 3, H, W).

    They are computed on the device of the backbone's parameters and stay there.
    """
    device = device_of(backbone)
    half = device.type == "cuda" if precision == "bf16-on-gpu" else False
    if precision in ("auto", "bf16-mixed"):
        half = training_precision(precision, device.type) == "bf16-mixed"
    with full_float32(), torch.autocast(device.type, torch.bfloat16, enabled=half):
        tokens = backbone(images.to(device, non_blocking=True))
    return tokens.float()


def extract_features(
    backbone: nn.Module,
    dataset: Dataset,
    image_size: int,
    settings: Extraction,
    into: Path,
    about: dict[str, Any],
    normalisation: Normalisation = IMAGENET,
) -> Features:
    """Write a split's frozen patch tokens to the folder `into` and return them.

    image_size: width and height in pixels, rounded down to a multiple of `backbone.patch_size`.
    about: what the caller knows of the model (`model`, `weights_digest`, ...). It goes into
    about.json, and so does the block, where the backbone was loaded with one.
    normalisation: mean and standard deviation of colours that the backbone expects.
    Source: paper, appendix A.2: tokens after the final norm, without the head.
    """
    began = time.perf_counter()
    patch_size = int(backbone.patch_size)  # type: ignore[arg-type]
    side = input_side(image_size, patch_size)
    cells = side // patch_size
    shape = (len(dataset), cells, cells, int(backbone.dim))  # type: ignore[arg-type]
    content = hashlib.sha256()
    with (
        whole_file(into / "features.npy") as unfinished,
        unfinished.open("wb") as file,
    ):
        dtype = np.dtype(settings.dtype)
        header = {"descr": dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        # All space is taken at once, so that a full disk is noticed now and not after hours. The
        # file is not memory-mapped for writing, so that a full disk is an error and not a SIGBUS.
        size = file.tell() + dtype.itemsize * math.prod(shape)
        os.posix_fallocate(file.fileno(), 0, size)
        for batch in stream_tokens(backbone, dataset, side, settings, normalisation):
            stored = np.ascontiguousarray(batch.astype(dtype))
            file.write(stored.data)
            content.update(stored.data)
        if file.tell() != size:
            raise ValueError(f"{into}: {file.tell()} bytes of {size} came from the backbone")
        (into / "about.json").unlink(missing_ok=True)  # it describes the features before these
    chosen = getattr(backbone, "block", None)
    description = {
        **about,
        **({} if chosen is None else {"block": chosen}),
        "model_digest": model_digest(backbone),
        "dataset_digest": dataset.digest(),
        "dim": shape[-1],
        "dataset": dataset.name,
        "split": dataset.split,
        "image_size": side,
        "patch_size": patch_size,
        "grid": [cells, cells],
        "dtype": settings.dtype,
        "digest": content.hexdigest()[:12],
        "device": device_name(device_of(backbone)),
        "seconds": round(time.perf_counter() - began, 2),
        "ids": [item.id for item in dataset.items],
    }
    write_json(into / "about.json", description)
    return read_features(into)


def read_features(folder: Path) -> Features:
    """Return the features that `extract_features` wrote to `folder`.

    Raises UserError where the folder holds none, where about.json does not say what they were made
    from, and where the tokens are no longer those that were written.
    """
    about = folder / "about.json"
    if not about.exists():
        raise UserError(f"{folder}: holds no features (no about.json); run `neco extract` first")
    description = read_json(about, "description of features", AGAIN)
    missing = [key for key in NEEDED if key not in description]
    if missing:
        raise UserError(
            f"{about}: lacks {', '.join(missing)}: the features are of an earlier version and do "
            f"not tell what they are of; {AGAIN}"
        )
    try:
        tokens = np.load(folder / "features.npy", mmap_mode="r")
    except (ValueError, EOFError) as error:
        raise UserError(f"{folder}: features.npy is damaged ({error}); {AGAIN}") from None
    if not isinstance(tokens, np.ndarray):
        raise UserError(f"{folder}: features.npy is an archive of arrays, not one; {AGAIN}")
    shape = (len(description["ids"]), *description["grid"], description["dim"])
    if tokens.shape != shape or array_digest(tokens)[:12] != description["digest"]:
        raise UserError(
            f"{folder}: features.npy is not what about.json says (shape or digest); {AGAIN}"
        )
    return Features(tokens, description["ids"], description)


def device_of(backbone: nn.Module) -> torch.device:
    """Return the device of the backbone's parameters, or the CPU where it has none."""
    parameter = next(backbone.parameters(), None)
    return parameter.device if parameter is not None else torch.device("cpu")
