"""The conditions under which a number was measured; a number without them is not a result."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict

PACKAGES = ("torch", "torchvision", "timm", "faiss-cpu", "faiss-gpu", "scann", "numpy", "scipy")
TOKENS = "patch tokens after the final norm"


class Conditions(BaseModel):
    """Everything that has to be equal for two numbers to be compared."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    class_set: list[str]
    """Names of the classes, in the order of their ids."""
    absent_classes: str = "zero"
    """`zero`: a class absent from the ground truth counts as IoU 0 (reference); `skip`: not."""
    mask_resolution: str
    """`full` (the image's own size) or `100x100`; a result may state its own."""
    input_size: int
    """Side in pixels that the backbone really saw."""
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
    """Of an approximate backend: recall@k against exact search on a sample, 0 to 1."""
    memory_patches: int | None = None
    """Patches in the in-context memory bank (whole training set)."""
    augment: bool | None = None
    """Linear: whether augmented images went through the backbone (protocol) or cached tokens."""
    config_digest: str
    weights_digest: str | None = None
    git_commit: str | None = None
    packages: dict[str, str]
    device: str
    wall_seconds: float
    """Of this evaluation, features not included."""
    feature_seconds: float | None = None
    """Of extracting the features that it read."""


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
    command = ["git", "-C", str(here), "describe", "--always", "--abbrev=12", "--dirty"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    return run.stdout.strip() or None


def device_name(device: str | torch.device) -> str:
    """Return `cpu (2 threads)` or the GPU's name."""
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(torch.device(device))
    return f"cpu ({torch.get_num_threads()} threads)"


def of_features(about: dict[str, Any]) -> dict[str, Any]:
    """Return the conditions that a feature file states about itself (its about.json)."""
    return {
        "input_size": about["image_size"],
        "grid": list(about["grid"]),
        "weights_digest": about.get("weights_digest"),
        "feature_seconds": about.get("seconds"),
    }
