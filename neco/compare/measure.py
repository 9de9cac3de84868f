"""Features and metrics of one backbone on one dataset, each made once and kept.

    <out>/features/<dataset>/<backbone>/<split>-<side>/   as `neco extract` writes them
    <out>/features/<dataset>/<backbone>/<split>-<side>.npz   the class token's attention
    <out>/metrics/<dataset>/<protocol>/<backbone>.json    as `neco evaluate` writes them
    <out>/metrics/<dataset>/<protocol>/<backbone>.npz     what the numbers are made of, by image

What is there is used again where every digest agrees: weights, images, settings and this code.
"""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from neco.backbones.backbone import Backbone
from neco.backbones.load import image_normalisation
from neco.compare.candidates import Candidate
from neco.compare.folders import Data
from neco.config.load import digest
from neco.config.project import DatasetSplits, Project
from neco.data.dataset import Dataset
from neco.errors import MachineError, UserError
from neco.evaluate.per_image import DAMAGED, PerImage, parts_of, read_parts, write_parts
from neco.evaluate.protocol import PROTOCOLS
from neco.evaluate.result import Metrics, read_result, write_result
from neco.evaluate.unsupervised.attention import read_attention, write_attention
from neco.features import Features, device_of, extract_features, read_features
from neco.identity import model_digest
from neco.training.finish import code_digest
from neco.transforms import input_side


@dataclass(frozen=True)
class Measured:
    """What one protocol gave of one backbone on one dataset."""

    metrics: Metrics
    parts: list[PerImage]
    """Of each of the metrics' results."""
    kept: bool
    """Whether it was there already."""


@dataclass
class Bench:
    """One backbone on one dataset: loads nothing twice, and writes what it makes."""

    candidate: Candidate
    backbone: Backbone
    data: Data
    project: Project
    out: Path
    seconds: dict[str, float]
    """By what was made; what was kept is not in it."""
    say: Callable[[str], None] = lambda step: None
    """Is told what is being made."""

    def __post_init__(self) -> None:
        self._weights = model_digest(self.backbone)
        self._features: dict[tuple[str, int], Features] = {}
        self._shown: Dataset | None = None

    def features(self, part: str, image_size: int) -> Features:
        """Return the frozen features of the part `train` or `val`."""
        side = input_side(image_size, self.backbone.patch_size)
        if (part, side) not in self._features:
            self._features[part, side] = self._kept(part, side) or self._extracted(part, side)
        return self._features[part, side]

    def features_of(self, chosen: list[int], image_size: int) -> Features:
        """Return the features of some held-out images.

        Where no protocol has read the whole split, only those images go through the backbone.
        """
        side = input_side(image_size, self.backbone.patch_size)
        whole = self._features.get(("val", side)) or self._kept("val", side)
        if whole is None and len(chosen) < len(self.data.val):
            items = [self.data.val.items[index] for index in chosen]
            self._shown = replace(self.data.val, items=items)
            return self.features("shown", image_size)
        whole = whole or self.features("val", image_size)
        ids = [whole.ids[index] for index in chosen]
        return replace(whole, tokens=whole.tokens[chosen], ids=ids)

    def _folder(self, part: str, side: int) -> Path:
        split = part if part == "shown" else self._dataset(part).split
        return self.out / "features" / self.data.key / self.candidate.key / f"{split}-{side}"

    def _dataset(self, part: str) -> Dataset:
        dataset = {"val": self.data.val, "train": self.data.train, "shown": self._shown}[part]
        assert dataset is not None  # noqa: S101 (for mypy; `Data.refuses` is asked first)
        return dataset

    def _about(self) -> dict[str, Any]:
        normalisation = image_normalisation(self.candidate.backbone)
        return {
            "model": self.candidate.name,
            "backbone": self.candidate.backbone,
            "normalisation": [list(part) for part in normalisation],
            "extraction": digest(self.project.extraction),
        }

    def _kept(self, part: str, side: int) -> Features | None:
        dataset = self._dataset(part)
        try:
            found = read_features(self._folder(part, side))
        except UserError:
            return None
        expected = {
            **self._about(),
            "model_digest": self._weights,
            "dataset_digest": dataset.digest(),
            "image_size": side,
        }
        alike = all(found.about.get(key) == value for key, value in expected.items())
        return found if alike else None

    def _extracted(self, part: str, side: int) -> Features:
        dataset = self._dataset(part)
        self.say(f"features of {len(dataset)} {part} images at {side} pixels")
        began = time.perf_counter()
        features = extract_features(
            self.backbone,
            dataset,
            side,
            self.project.extraction,
            self._folder(part, side),
            self._about(),
            image_normalisation(self.candidate.backbone),
        )
        self._spent(f"features {part}", began)
        return features

    def _attention(self, part: str, features: Features) -> torch.Tensor:
        """Return the class token's attention of a part, kept under the features' digest."""
        side = features.about["image_size"]
        path = self._folder(part, side).with_suffix(f".{features.about['digest']}.npz")
        try:
            return read_attention(path, features)
        except (UserError, *DAMAGED):
            pass  # it is made now
        self.say(f"attention of {len(features.ids)} {part} images")
        began = time.perf_counter()
        write_attention(
            self.backbone,
            self._dataset(part),
            side,
            self.project.extraction,
            path,
            image_normalisation(self.candidate.backbone),
        )
        self._spent(f"attention {part}", began)
        return read_attention(path, features)

    def settings(self, protocol: str) -> Any:
        """Return the settings of a protocol on this dataset."""
        return self.project.settings_for(protocol, self.data.val.name)

    def measure(self, protocol: str) -> Measured:
        """Return what a protocol says, kept or anew.

        Raises UserError where this backbone or these images cannot be asked.
        """
        record, settings = PROTOCOLS[protocol], self.settings(protocol)
        inputs = record.inputs(settings, DatasetSplits(train="train", val="val"))
        if "train" in inputs.splits and self.data.train is None:
            raise UserError("there are no labelled training images")
        if inputs.attention:
            self._refuse_without_attention()
        datasets = {f"{part}_dataset": self._dataset(part) for part in inputs.splits}
        read: dict[str, Any] = {part: None for part in inputs.splits if inputs.features}
        read |= {part: self.features(part, settings.image_size) for part in inputs.features}
        identity = [
            protocol, digest(settings), self._weights, code_digest(), self._about(),
            *(dataset.digest() for dataset in datasets.values()),
            *(features.about["digest"] for features in read.values() if features is not None),
        ]  # fmt: skip
        key = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
        path = self.out / "metrics" / self.data.key / protocol / f"{self.candidate.key}.json"
        kept = _read_kept(path, key)
        if kept is not None:
            return kept
        if inputs.attention:
            read["attention"] = tuple(
                self._attention(part, read[part]) for part in inputs.attention
            )
        self.say(record.title.lower())
        began = time.perf_counter()
        if inputs.backbone:
            read |= {
                "backbone": self.backbone,
                "normalisation": image_normalisation(self.candidate.backbone),
                "extraction": self.project.extraction,
            }
            if not inputs.features:
                read["about"] = {"model": self.candidate.name, "backbone": self.candidate.backbone}
        metrics = record.evaluate()(settings=settings, **datasets, **read)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()  # else torch keeps for itself what faiss may need next
        self._spent(protocol, began)
        return _write_kept(path, key, metrics)

    def _refuse_without_attention(self) -> None:
        side = input_side(self.settings("unsupervised").image_size, self.backbone.patch_size)
        images = torch.zeros(1, 3, side, side, device=device_of(self.backbone))
        self.backbone.class_attention(images)

    def _spent(self, what: str, began: float) -> None:
        self.seconds[what] = round(time.perf_counter() - began, 1)


def _write_kept(path: Path, key: str, metrics: Metrics) -> Measured:
    parts = [parts_of(result) for result in metrics.results]
    known = [part for part in parts if part is not None]
    if len(known) != len(parts):
        raise ValueError(f"{metrics.protocol} does not keep what its numbers are made of")
    write_result(path, metrics)
    write_parts(path.with_suffix(".npz"), key, known)
    return Measured(metrics, known, kept=False)


def _read_kept(path: Path, key: str) -> Measured | None:
    """Return what was measured earlier of exactly the same, None where there is no such thing."""
    try:
        metrics, parts = read_result(path), read_parts(path.with_suffix(".npz"), key)
    except MachineError:
        raise
    except (UserError, *DAMAGED):
        return None  # absent, of an earlier version, or damaged: it is measured again
    if parts is None or len(parts) != len(metrics.results):
        return None
    return Measured(metrics, parts, kept=True)
