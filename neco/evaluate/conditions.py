"""The conditions of a measurement: features and settings come in, a record comes out.

A number without its conditions is not a result.
"""

from __future__ import annotations

import platform
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from neco.config.load import digest
from neco.config.protocol import Evaluated
from neco.data.dataset import Dataset

if TYPE_CHECKING:  # tables and figures read conditions, and need no torch for it
    import torch

PACKAGES = (
    *("torch", "torchvision", "timm", "faiss-cpu", "faiss-gpu", "scann", "numpy", "scipy"),
    *("mmsegmentation", "mmcv-lite", "mmengine", "infomap", "optuna"),
)
TOKENS = "patch tokens after the final norm"


class Conditions(BaseModel):
    """Everything that has to be equal for two numbers to be compared."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    class_set: list[str]
    """Names of the classes, in the order of their ids."""
    absent_classes: str = "zero"
    """`zero`: a class absent from the ground truth counts as IoU 0 (released code); `skip`: it is
    left out."""
    averaged_classes: int | None = None
    """How many IoUs the mean is over: one more than there are classes where the ignored class
    counts as IoU 0 (`ignored_class: zero`)."""
    resampling: str | None = None
    """Where cells of a resized mask or map are read: `centre`, or `floor` (released code)."""
    colours: str = "backbone"
    """Mean and deviation of the images' colours: the backbone's own or an evaluation's."""
    mask_resolution: str
    """`full` (the image's own size), or a size as `100x100`; a result may state another."""
    input_size: int
    """Width and height in pixels of the images that the backbone saw."""
    grid: list[int]
    """Rows and columns of patch tokens."""
    tokens: str = TOKENS
    train_split: str | None = None
    train_images: int | None = None
    val_split: str
    val_images: int
    seeds: list[int]
    search: str | None = None
    """Nearest-neighbour or k-means backend, with its settings where it has any."""
    exact: bool | None = None
    """Whether that backend returns the true neighbours."""
    recall: float | None = None
    """Share of the true neighbours that an approximate backend finds on a sample, 0 to 1."""
    memory_patches: int | None = None
    """Patches in the in-context memory bank (whole training set)."""
    augment: bool | None = None
    """Whether augmented images went through the backbone (true) or cached tokens were read (false).
    Protocols without the choice say nothing (None)."""
    config_digest: str
    weights_digest: str | None = None
    features_digest: str | None = None
    """Digest of the evaluated split's tokens."""
    git_commit: str | None = None
    packages: dict[str, str]
    device: str
    wall_seconds: float
    """Seconds of this evaluation, without those of its features."""
    feature_seconds: float | None = None
    """Seconds of extracting the features that it read."""


def packages() -> dict[str, str]:
    """Return the installed version of every package that can change a number."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def git_commit() -> str | None:
    """Return the commit of this source tree (`-dirty` when edited), None outside a checkout."""
    here = Path(__file__).resolve().parent
    command = [
        "git",
        "-C",
        str(here),
        "describe",
        "--always",
        "--exclude=*",
        "--abbrev=12",
        "--dirty",
    ]
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)  # noqa: S603 (own words, no shell)
    except (OSError, subprocess.SubprocessError):
        return None
    return run.stdout.strip() or None


def state_conditions(
    val: dict[str, Any],
    val_dataset: Dataset,
    settings: Evaluated,
    *,
    device: torch.device,
    began: float,
    train: dict[str, Any] | None = None,
    train_dataset: Dataset | None = None,
    **more: Any,
) -> Conditions:
    """Return the conditions of an evaluation.

    val, train: what about.json says of the features. began: `time.perf_counter()` at the start of
    the evaluation. more: further conditions, and those that differ from what is found here.
    """
    from neco.precision import device_name

    seconds = [about.get("seconds") for about in (train, val) if about is not None]
    values = {
        "class_set": val_dataset.classes,
        "absent_classes": settings.absent,
        "averaged_classes": len(val_dataset.classes) + (settings.ignored_class == "zero"),
        "resampling": getattr(settings, "resampling", None),
        "colours": getattr(settings, "colours", val.get("colours", "backbone")),
        "input_size": val["image_size"],
        "grid": val["grid"],
        "train_split": train_dataset.split if train_dataset else None,
        "train_images": len(train_dataset) if train_dataset else None,
        "val_split": val_dataset.split,
        "val_images": len(val_dataset),
        "config_digest": digest(settings),
        "weights_digest": val.get("weights_digest"),
        "features_digest": val.get("digest"),
        "git_commit": git_commit(),
        "packages": packages(),
        "device": device_name(device),
        "wall_seconds": round(time.perf_counter() - began, 2),
        "feature_seconds": round(sum(s for s in seconds if s is not None), 2),
    }
    return Conditions(**{**values, **more})


def evaluation_device(asked: str | None) -> torch.device:
    """Return the device that was asked for. Without one, return the GPU where there is one."""
    import torch

    return torch.device(asked or ("cuda" if torch.cuda.is_available() else "cpu"))
