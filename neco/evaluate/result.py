"""The metrics file: what every protocol returns, what the report reads.

    <folder>/**/<any name>.json   one file per (model, dataset, protocol)

A protocol's `evaluate` returns `Metrics.model_dump(mode="json")`; IoU and mIoU are in percent.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from neco.config.evaluation import Frozen, Protocol
from neco.data.dataset import Dataset
from neco.errors import UserError
from neco.evaluate.conditions import Conditions

if TYPE_CHECKING:  # tables and figures read metrics, and need no torch for it
    from neco.features import Features

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
    settings: Frozen,
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
    """Write a metrics file whole or not at all. Raises ValueError for a malformed one."""
    checked = metrics if isinstance(metrics, Metrics) else Metrics.model_validate(metrics)
    text = json.dumps(checked.model_dump(), indent=1, allow_nan=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        unfinished.write_text(text + "\n")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def read_result(path: Path) -> Metrics:
    """Return one metrics file. Raises UserError where it is not one."""
    try:
        return Metrics.model_validate_json(path.read_text())
    except FileNotFoundError:
        raise UserError(f"{path}: no such metrics file; run the evaluation first") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UserError(
            f"{path}: not a metrics file ({place}: {first['msg']}); delete it and evaluate again"
        ) from None


def read_results(folder: Path) -> list[Metrics]:
    """Return every metrics file below `folder`, by path. Raises UserError naming a broken one."""
    return [read_result(path) for path in sorted(folder.rglob("*.json"))]
