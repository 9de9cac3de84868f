"""Overlays and Figure 6: features of the start and of the NeCo run come in, both segment the same
images, and the figures come out."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import linear_sum_assignment

from neco.config.evaluation import InContext, Overcluster
from neco.data.dataset import IGNORED, Dataset
from neco.evaluate.in_context import predict
from neco.evaluate.metrics import class_iou, confusion, margins, mean_iou
from neco.evaluate.overcluster import cluster_maps
from neco.features import Features, read_features
from neco.report.figures.given import Given
from neco.report.figures.pictures import (
    ACROSS,
    Column,
    Picture,
    choose,
    draw_columns,
    grid,
    labelled,
    read_picture,
    show,
)
from neco.report.figures.style import cluster_colours, drawn

CLUSTER_STRENGTH = 0.75


def overlays(given: Given) -> list[Path]:
    """Write overlays.png and .pdf; return the paths."""
    project, shown = given.project, given.project.report
    settings = project.settings_for("in-context", shown.dataset, given.shown[1])
    clusters = _of_clusters(given)
    models = _models(given)
    train, val = given.labelled("train"), given.held_out()
    return drawn(
        lambda: draw_overlays(train, val, models, settings, *clusters, shown.images),
        given.into,
        "overlays",
    )


def figure_6(given: Given) -> list[Path]:
    """Write figure-6.png and .pdf; return the paths."""
    val, models, images = given.held_out(), _models(given), given.project.report.images
    clusters = _of_clusters(given)
    return drawn(lambda: draw_clusters(val, models, *clusters, images), given.into, "figure-6")


@dataclass(frozen=True)
class Compared:
    """One of the two models that a figure compares, with what it has of its frozen features."""

    name: str
    """As the figure calls it: `DINOv2R`, `NeCo`."""
    features: Mapping[str, Features]
    """Those of the `train` and `val` split as in-context reads them, and `cluster` as
    overclustering reads the `val` split."""


def _models(given: Given) -> tuple[Compared, Compared]:
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


def _of_clusters(given: Given) -> tuple[Overcluster, int]:
    """Return the settings of the clustering and how many clusters the figures have."""
    shown = given.project.report
    settings = given.project.settings_for("overcluster", shown.dataset, given.shown[1])
    return settings, shown.clusters


def draw_overlays(
    train: Dataset,
    val: Dataset,
    models: tuple[Compared, Compared],
    in_context: InContext,
    overcluster: Overcluster,
    clusters: int,
    images: int,
) -> Figure:
    """Return the overlays.

    Each image has a row with input, ground truth, the in-context predictions of the start and of
    NeCo, and the clusters of both. A prediction states the image's mIoU over the classes that the
    image shows. The memory holds all training images, as in the evaluation's setting 1/1.
    """
    chosen = choose(val, images)
    pictures = [read_picture(val, index) for index in chosen]
    columns: list[Column] = []
    truth = [val.items[index].read_mask() for index in chosen]
    columns.append(("input", [picture.pixels for picture in pictures], []))
    columns.append(
        ("ground truth", [_labels(p, t, val) for p, t in zip(pictures, truth, strict=True)], [])
    )
    seen = [np.unique(mask) for mask in truth]
    for model in models:
        features = model.features
        maps = predict(features["train"], train, features["val"], val, chosen, in_context)
        seen += [np.unique(found) for found in maps]
        scores = [
            f"{image_miou(found, mask, len(val.classes)):.0f}"
            for found, mask in zip(maps, truth, strict=True)
        ]
        drawn_maps = [_labels(p, found, val) for p, found in zip(pictures, maps, strict=True)]
        columns.append((f"{model.name}: in-context", drawn_maps, scores))
    both = _cluster_tiles(models, clusters, overcluster, pictures, chosen)
    for model, tiles in zip(models, both, strict=True):
        columns.append((f"{model.name}: K={clusters}", tiles, []))
    shown = np.unique(np.concatenate(seen))
    shown = shown[shown != IGNORED]
    return draw_columns(pictures, columns, val.classes, shown.tolist())


def draw_clusters(
    val: Dataset,
    models: tuple[Compared, Compared],
    overcluster: Overcluster,
    clusters: int,
    images: int,
) -> Figure:
    """Return Figure 6: inputs, clusters of the start, clusters of NeCo, in rows."""
    chosen = choose(val, images)
    pictures = [read_picture(val, index) for index in chosen]
    rows = [("(a) Input", [picture.pixels for picture in pictures])]
    both = _cluster_tiles(models, clusters, overcluster, pictures, chosen)
    names = [f"({letter}) {model.name}" for letter, model in zip("bc", models, strict=True)]
    rows += list(zip(names, both, strict=True))
    return _draw_rows(pictures, rows)


def image_miou(predicted: np.ndarray, truth: np.ndarray, classes: int) -> float:
    """Return the mIoU in percent of one image over the classes that it shows."""
    ious = class_iou(margins(confusion(predicted, truth, classes)))
    return float(mean_iou(ious, "skip")) * 100


def _labels(picture: Picture, labels: np.ndarray, dataset: Dataset) -> np.ndarray:
    return labelled(picture, labels, dataset.classes)


def _cluster_tiles(
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


def renumbered(maps: np.ndarray, like: np.ndarray, clusters: int) -> np.ndarray:
    """Return `maps` with the numbers of the clusters in `like` that its clusters overlap most.

    maps, like: int (images, rows, columns), of the same images. Clusters correspond one to one. A
    reader can then compare colours.
    """
    if maps.shape != like.shape:
        return maps
    pairs = np.bincount(
        maps.ravel().astype(np.int64) * clusters + like.ravel(), minlength=clusters**2
    )
    table = pairs.reshape(clusters, clusters)
    _, target = linear_sum_assignment(table, maximize=True)
    renamed: np.ndarray = target[maps]
    return renamed


def _clusters(picture: Picture, clusters: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Return the picture in grey with a map of clusters (rows, columns) laid over it."""
    grey = np.repeat(picture.pixels.mean(axis=2, keepdims=True), 3, axis=2)
    flat = colours[picture.sized(clusters)]
    return (grey * (1 - CLUSTER_STRENGTH) + flat * CLUSTER_STRENGTH).round().astype(np.uint8)


def _draw_rows(pictures: list[Picture], rows: list[tuple[str, list[np.ndarray]]]) -> Figure:
    widths = [picture.aspect for picture in pictures]
    figure, axes = grid(widths, [1.0] * len(rows), across=ACROSS, left=0.2, bottom=0.02)
    for places, (title, tiles) in zip(axes, rows, strict=True):
        for place, tile in zip(places, tiles, strict=True):
            show(place, tile)
        box = places[0].get_position()
        middle = (box.y0 + box.y1) / 2
        figure.text(0.0, middle, title, rotation=90, va="center", ha="left", fontsize=8)
    return figure
