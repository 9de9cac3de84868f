"""Clusters of two models: features of the start and of the NeCo run come in, pictures come out.

Clusters of both that overlap most have one colour.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from neco.config.overcluster import Overcluster
from neco.evaluate.matching import renumbered
from neco.evaluate.overcluster import cluster_maps
from neco.features import Features, read_features
from neco.report.figures.given import Given
from neco.report.figures.pictures import Picture
from neco.report.figures.style import cluster_colours

CLUSTER_STRENGTH = 0.75


@dataclass(frozen=True)
class Compared:
    """One of the two models that a figure compares, with what it has of its frozen features."""

    name: str
    """As the figure calls it: `DINOv2R`, `NeCo`."""
    features: Mapping[str, Features]
    """Those of the `train` and `val` split as in-context reads them, and `cluster` as
    overclustering reads the `val` split."""


def models_of(given: Given) -> tuple[Compared, Compared]:
    """Return the start and the run with their features."""
    start, run = (
        Compared(
            name,
            {
                need.removeprefix(f"{side}_"): read_features(folder)
                for need, folder in given.features.items()
                if need.startswith(side)
            },
        )
        for side, name in zip(("start", "run"), given.names, strict=True)
    )
    return start, run


def clustering_of(given: Given) -> tuple[Overcluster, int]:
    """Return the settings of the clustering and how many clusters the figures have."""
    shown = given.project.report
    settings = given.project.settings_for("overcluster", given.dataset, given.shown[1])
    return settings, shown.clusters


def cluster_tiles(
    models: tuple[Compared, Compared],
    clusters: int,
    settings: Overcluster,
    pictures: list[Picture],
    chosen: list[int],
) -> list[list[np.ndarray]]:
    """Return each model's clusters over the pictures. Clusters that overlap most share a colour."""
    before, after = (
        cluster_maps(model.features["cluster"], clusters, settings, settings.seeds[0])
        for model in models
    )
    after = renumbered(after, before, clusters)
    colours = cluster_colours(clusters)
    return [
        [_clusters(picture, maps[i], colours) for picture, i in zip(pictures, chosen, strict=True)]
        for maps in (before, after)
    ]


def _clusters(picture: Picture, clusters: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Return the picture in grey with a map of clusters (rows, columns) laid over it."""
    grey = np.repeat(picture.pixels.mean(axis=2, keepdims=True), 3, axis=2)
    flat = colours[picture.sized(clusters)]
    return (grey * (1 - CLUSTER_STRENGTH) + flat * CLUSTER_STRENGTH).round().astype(np.uint8)
