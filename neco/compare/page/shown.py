"""What one backbone makes of the images that the page shows."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neco.compare.folders import Data
from neco.compare.measure import DAMAGED, Bench
from neco.compare.page.embed import Embedded, embed
from neco.config.compare import Page
from neco.config.load import digest
from neco.config.project import Project
from neco.errors import UserError
from neco.evaluate.in_context import predict
from neco.evaluate.overcluster import cluster_maps
from neco.evaluate.subsets import images_to_show
from neco.features import Features
from neco.files import opened_whole
from neco.training.finish import code_digest


@dataclass(frozen=True)
class Shown:
    """Of the shown images of one dataset, in their order."""

    embedded: Embedded
    clusters: np.ndarray
    """int32 (images, rows, columns)"""
    predictions: list[np.ndarray] | None
    """Classes by in-context segmentation, uint8 (H, W) at the images' own size; None without labels
    or where a backbone cannot be asked."""


def chosen_images(data: Data, count: int, seed: int) -> list[int]:
    """Return which held-out images are shown, drawn at random; labelled ones show two classes."""
    if data.labelled:
        return images_to_show(data.val, count, seed=seed)
    order = np.random.default_rng(seed).permutation(len(data.val))
    return sorted(order[:count].tolist())


def images_shown(page: Page, pairs: int) -> int:
    """Return how many images of each dataset are shown, so that the tokens fit the page.

    pairs: of a dataset and a backbone. Of each at least two images are shown.
    """
    each = page.grid**2 * page.dimensions * 4 / 3  # as text, three bytes take four letters
    return min(page.images, max(int(page.megabytes * 1e6 / (each * pairs)), 2))


def shown(bench: Bench, project: Project, images: int) -> Shown:
    """Return what a backbone makes of the shown images, kept from an earlier call or anew."""
    page = project.compare.page
    chosen = chosen_images(bench.data, images, page.seed)
    settings = bench.settings("in-context")
    features = bench.features_of(chosen, settings.image_size)
    predicts = "in-context" in project.compare.protocols and bench.data.train is not None
    identity = [
        features.about["digest"], features.about["model_digest"], chosen, digest(page),
        digest(settings), predicts and bench.features("train", settings.image_size).about["digest"],
        code_digest(),
    ]  # fmt: skip
    key = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
    path = bench.out / "pictures" / bench.data.key / f"{bench.candidate.key}.npz"
    found = _read(path, key, len(chosen))
    if found is None:
        bench.say("pictures for the page")
        found = _made(bench, features, chosen, page, settings if predicts else None, project)
        _write(path, key, found)
    return found


def _made(
    bench: Bench, features: Features, chosen: list[int], page: Page, in_context: Any,
    project: Project,
) -> Shown:  # fmt: skip
    rows, columns = features.tokens.shape[1:3]
    clusters = min(page.clusters, len(chosen) * rows * columns)
    maps = cluster_maps(features, clusters, project.overcluster, page.seed)
    predictions = None
    if in_context is not None and bench.data.train is not None:
        size = in_context.image_size
        try:
            predictions = predict(
                bench.features("train", size), bench.data.train, bench.features("val", size),
                bench.data.val, chosen, in_context,
            )  # fmt: skip
        except UserError:  # the protocol was refused for the same reason, and that was said
            predictions = None
    return Shown(embed(features.tokens, page.dimensions, page.grid), maps, predictions)


def _write(path: Path, key: str, made: Shown) -> None:
    embedded, maps = made.embedded, made.predictions or []
    about = {
        "key": key, "length": embedded.length, "cosine_error": embedded.cosine_error,
        "same_neighbours": embedded.same_neighbours, "predictions": len(maps),
    }  # fmt: skip
    arrays: dict[str, Any] = {f"map{number}": one for number, one in enumerate(maps)}
    arrays |= {"numbers": embedded.numbers, "scales": embedded.scales, "clusters": made.clusters}
    with opened_whole(path, "wb") as file:
        np.savez_compressed(file, about=np.array(json.dumps(about)), **arrays)


def _read(path: Path, key: str, images: int) -> Shown | None:
    try:
        with np.load(path) as stored:
            about = json.loads(str(stored["about"]))
            if about["key"] != key:
                return None
            embedded = Embedded(
                stored["numbers"], stored["scales"], about["length"], about["cosine_error"],
                about["same_neighbours"],
            )  # fmt: skip
            maps = [stored[f"map{number}"] for number in range(about["predictions"])]
            made = Shown(embedded, stored["clusters"], maps or None)
    except DAMAGED:
        return None
    return made if len(made.clusters) == images else None
