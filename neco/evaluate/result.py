"""The metrics file: results and conditions come in, a file comes out that the report reads.

    <folder>/**/<any name>.json   one file per (model, dataset, protocol)

A protocol's `evaluate` returns `Metrics`. IoU and mIoU are in percent.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from neco.config.protocol import Evaluated
from neco.data.dataset import Dataset
from neco.errors import UserError
from neco.evaluate.conditions import Conditions
from neco.evaluate.per_image import PerImage, parts_of, read_parts, write_parts
from neco.evaluate.protocol import PROTOCOLS
from neco.files import read_text, write_json

if TYPE_CHECKING:  # tables and figures read metrics, and need no torch for it
    from neco.features import Features

PARTS = ".images.npz"
"""Suffix of the file beside a metrics file that says what its numbers are made of."""
FULL_RESOLUTION = "full resolution"
"""The setting of a linear result on masks of the images' own size; '' is that on 100x100 masks."""


class Number(BaseModel):
    """A number in percent: an mIoU, unless `quantity` names another.

    In a file another quantity is called `score`, so that nothing else is called mIoU.
    """

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    mIoU: float  # noqa: N815 (the field's name for it)
    quantity: str = "mIoU"

    @model_validator(mode="before")
    @classmethod
    def _read(cls, values: Any) -> Any:
        if not isinstance(values, dict) or "score" not in values:
            return values
        return {"mIoU" if key == "score" else key: value for key, value in values.items()}

    @model_serializer(mode="wrap")
    def _write(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = handler(self)
        if values["quantity"] == "mIoU":
            del values["quantity"]
            return values
        return {"score" if key == "mIoU" else key: value for key, value in values.items()}


class Result(Number):
    """One number: that of one setting and one seed."""

    setting: str
    """As in the paper's tables: `1/8` (in-context), `K=GT`, `K=500` (overcluster), '' (linear)."""
    seed: int
    per_class_iou: dict[str, float | None] = {}
    """None where the class is absent from the ground truth."""
    interval: tuple[float, float] | None = None
    """95 % bootstrap interval of mIoU over images."""
    mask_resolution: str | None = None
    """The resolution of masks, where it differs from the conditions'."""
    details: dict[str, Any] = {}
    """What else is worth keeping: images in the subset, matching, recall, change in mIoU."""
    _parts: PerImage | None = PrivateAttr(default=None)
    """What the number is made from, image by image. It is no part of the metrics file."""

    def __eq__(self, other: object) -> bool:
        """Return whether a metrics file would say the same of both."""
        return isinstance(other, Result) and self.model_dump() == other.model_dump()


class OverSeeds(Number):
    """Mean and sample standard deviation over the seeds of one setting."""

    std: float | None
    seeds: int


class Metrics(Number):
    """One metrics file. Its number is that of the headline setting: in-context with all training
    images, overclustering with the largest K, linear on 100x100 masks."""

    protocol: str
    dataset: str
    model: str = ""
    """Name of the model, as the features state it: a run with its seed, or a backbone."""
    headline: str
    """The setting of the file's number."""
    results: list[Result]
    summary: dict[str, OverSeeds]
    settings: dict[str, Any]
    """All settings of the protocol."""
    conditions: Conditions
    about: dict[str, Any] = {}
    """What the feature files say of their model beyond the above (run, method, training seed)."""
    digest: str | None = None
    """Digest of everything above, by which a changed file is refused. Files of earlier versions
    have no digest."""


def summarise(results: Iterable[Result]) -> dict[str, OverSeeds]:
    """Return mean and standard deviation over seeds of each setting. One seed has no deviation."""
    found: dict[str, list[Result]] = {}
    for result in results:
        found.setdefault(result.setting, []).append(result)
    return {setting: _over_seeds(alike) for setting, alike in found.items()}


def _over_seeds(results: list[Result]) -> OverSeeds:
    numbers = [result.mIoU for result in results]
    return OverSeeds(
        mIoU=float(np.mean(numbers)),
        quantity=results[0].quantity,
        std=float(np.std(numbers, ddof=1)) if len(numbers) > 1 else None,
        seeds=len(numbers),
    )


def metrics_of(
    protocol: str,
    source: Features | dict[str, Any],
    dataset: Dataset,
    settings: Evaluated,
    results: list[Result],
    conditions: Conditions,
) -> Metrics:
    """Return what a protocol's `evaluate` returns.

    source: the held-out features, or what is known of the model where no features were read.
    """
    about = source if isinstance(source, dict) else source.identity()
    summary = summarise(results)
    headline = PROTOCOLS[protocol].headline(settings, len(dataset.classes))
    return Metrics(
        mIoU=summary[headline].mIoU,
        quantity=summary[headline].quantity,
        protocol=protocol,
        dataset=dataset.name,
        model=(source if isinstance(source, dict) else source.about).get("model", ""),
        headline=headline,
        results=results,
        summary=summary,
        settings=settings.model_dump(mode="json"),
        conditions=conditions,
        about=about,
    )


def write_result(path: Path, metrics: Metrics) -> None:
    """Write a metrics file whole or not at all, with its digest.

    Raises ValueError for a number that JSON cannot hold.
    """
    content = {**metrics.model_dump(), "digest": _digest(metrics)}
    write_json(path, content, allow_nan=False)


def write_parts_beside(path: Path, metrics: Metrics) -> None:
    """Write what just measured numbers are made of to <path>.images.npz, image by image.

    Write it before the metrics file itself: it says nothing without that. Nothing is written of
    metrics that were read from a file.
    """
    parts = [part for part in map(parts_of, metrics.results) if part is not None]
    if len(parts) == len(metrics.results):
        write_parts(path.with_suffix(PARTS), _numbers_digest(metrics), parts)


def parts_beside(path: Path, metrics: Metrics) -> list[PerImage] | None:
    """Return what the numbers of a metrics file are made of, None where that was not kept."""
    return read_parts(path.with_suffix(PARTS), _numbers_digest(metrics))


def with_parts(path: Path, metrics: Metrics) -> Metrics:
    """Return the metrics of a file; its results know what they are made of where that was kept."""
    for result, parts in zip(metrics.results, parts_beside(path, metrics) or [], strict=False):
        result._parts = parts
    return metrics


def _numbers_digest(metrics: Metrics) -> str:
    """Return the digest of all numbers, without times: the same numbers have the same parts."""
    numbers = [
        [result.setting, result.seed, result.quantity, result.mIoU, result.per_class_iou]
        for result in metrics.results
    ]
    told = [metrics.protocol, metrics.dataset, metrics.model, numbers]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


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
    """Return in words which part of a metrics file contradicts the rest, or None."""
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


def read_results(where: Path) -> dict[Path, Metrics]:
    """Return every metrics file of a project's results or of another folder, or the one file.

    Raises UserError for a place without metrics files, and naming a broken one.
    """
    inside = where / "metrics"  # the other folders of a project hold other JSON files
    folder = inside if inside.is_dir() else where
    files = sorted(folder.rglob("*.json")) if where.is_dir() else [where]
    if not files:
        raise UserError(f"{where}: holds no metrics files; run an evaluation first")
    return {path: read_result(path) for path in files}
