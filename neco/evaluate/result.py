"""The metrics file: what every protocol returns, what the report reads.

    <folder>/**/<any name>.json   one file per (model, dataset, protocol)

A protocol's `evaluate` returns `Metrics.model_dump(mode="json")`; IoU and mIoU are in percent.
"""

import hashlib
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from neco.config.evaluation import Evaluated, Protocol
from neco.data.dataset import Dataset
from neco.errors import UserError
from neco.evaluate.conditions import Conditions
from neco.features import Features
from neco.files import read_text, write_json

FULL_RESOLUTION = "full resolution"
"""Setting of a linear result on masks at the images' own size; '' is the 100x100 protocol."""


class Result(BaseModel):
    """One number: one setting, one seed."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    setting: str
    """As in the paper's tables: `1/8` (in-context), `K=GT`, `K=500` (overcluster), '' (linear)."""
    seed: int
    mIoU: float  # noqa: N815 (the field's name for it)
    per_class_iou: dict[str, float | None]
    """None where the class is absent from the ground truth."""
    interval: tuple[float, float] | None = None
    """95 % bootstrap interval of mIoU over images."""
    mask_resolution: str | None = None
    """Where it differs from the conditions'."""
    details: dict[str, Any] = {}
    """What else is worth keeping: images in the subset, matching, recall, change in mIoU."""


class Summary(BaseModel):
    """Mean and sample standard deviation over the seeds of one setting."""

    model_config = ConfigDict(extra="forbid")

    mIoU: float  # noqa: N815 (the field's name for it)
    std: float | None
    seeds: int


class Metrics(BaseModel):
    """One metrics file."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    protocol: Protocol
    dataset: str
    model: str = ""
    """The features' `model`: a run or a backbone."""
    mIoU: float  # noqa: N815 (the field's name for it)
    """Of the headline setting: all training images; the largest K; 100x100 masks."""
    headline: str
    """The setting that `mIoU` is of."""
    results: list[Result]
    summary: dict[str, Summary]
    settings: dict[str, Any]
    """The protocol's settings, whole."""
    conditions: Conditions
    about: dict[str, Any] = {}
    """What the feature files say of their model beyond the above (run, method, training seed)."""
    digest: str | None = None
    """Of everything above; a file that was changed since is refused. Files of earlier versions have
    none."""


def summarise(results: Iterable[Result]) -> dict[str, Summary]:
    """Return mean and standard deviation over seeds by setting; None for the std of one seed."""
    values: dict[str, list[float]] = {}
    for result in results:
        values.setdefault(result.setting, []).append(result.mIoU)
    return {
        setting: Summary(
            mIoU=float(np.mean(numbers)),
            std=float(np.std(numbers, ddof=1)) if len(numbers) > 1 else None,
            seeds=len(numbers),
        )
        for setting, numbers in values.items()
    }


def metrics_of(
    protocol: Protocol,
    features: Features,
    dataset: Dataset,
    settings: Evaluated,
    results: list[Result],
    headline: str,
    conditions: Conditions,
) -> dict[str, Any]:
    """Return what a protocol's `evaluate` returns: its results on the features of a split."""
    summary = summarise(results)
    return Metrics(
        protocol=protocol,
        dataset=dataset.name,
        model=features.about.get("model", ""),
        mIoU=summary[headline].mIoU,
        headline=headline,
        results=results,
        summary=summary,
        settings=settings.model_dump(mode="json"),
        conditions=conditions,
        about=features.identity(),
    ).model_dump(mode="json")


def write_result(path: Path, metrics: dict[str, Any] | Metrics) -> None:
    """Write a metrics file whole or not at all, with its digest.

    Raises ValueError for a malformed one.
    """
    checked = metrics if isinstance(metrics, Metrics) else Metrics.model_validate(metrics)
    content = {**checked.model_dump(), "digest": _digest(checked)}
    write_json(path, content, allow_nan=False)


def read_result(path: Path) -> Metrics:
    """Return one metrics file.

    Raises UserError where it is not one, and where its numbers were changed after it was written.
    """
    if not path.exists():
        raise UserError(f"{path}: no such metrics file; run the evaluation first")
    try:
        metrics = Metrics.model_validate_json(read_text(path, "metrics file"))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UserError(
            f"{path}: not a metrics file ({place}: {first['msg']}); delete it and evaluate again"
        ) from None
    changed = _disagreement(metrics)
    if changed is not None:
        raise UserError(f"{path}: {changed}; delete it and evaluate again")
    return metrics.model_copy(update={"digest": None})


def _digest(metrics: Metrics) -> str:
    """Return the digest of a metrics file's content, its own digest aside."""
    written = json.dumps(metrics.model_dump(exclude={"digest"}), allow_nan=False)
    text = json.dumps(json.loads(written), sort_keys=True)  # as it comes back from a file
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _disagreement(metrics: Metrics) -> str | None:
    """Return in words what of a metrics file does not fit the rest, None where all does."""
    expected = summarise(metrics.results)
    for setting, stated in metrics.summary.items():
        found = expected.get(setting)
        if found is None or found.seeds != stated.seeds or not _near(found.mIoU, stated.mIoU):
            told = "none" if found is None else f"mIoU {found.mIoU:.4f} of {found.seeds}"
            return (
                f"the summary of '{setting}' (mIoU {stated.mIoU:.4f} of {stated.seeds} seeds) is "
                f"not that of its results ({told})"
            )
    headline = metrics.summary.get(metrics.headline)
    if headline is None or not _near(headline.mIoU, metrics.mIoU):
        return f"mIoU {metrics.mIoU:.4f} is not that of its results"
    if metrics.digest is not None and metrics.digest != _digest(metrics):
        return "was changed after it was written (its digest does not fit)"
    return None


def _near(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-6)


def read_results(folder: Path) -> list[Metrics]:
    """Return every metrics file below `folder`, by path. Raises UserError naming a broken one."""
    return [read_result(path) for path in sorted(folder.rglob("*.json"))]
