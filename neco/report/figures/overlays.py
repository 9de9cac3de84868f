"""Overlays: features of the start and of the NeCo run come in, what both predict comes out.

Predictions and clusters lie over the same images.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from neco.config.in_context import InContext
from neco.config.overcluster import Overcluster
from neco.data.dataset import IGNORED, Dataset
from neco.evaluate.in_context import predict
from neco.evaluate.metrics import class_iou, confusion, margins, mean_iou
from neco.evaluate.subsets import images_to_show
from neco.report.figures.clusters import Compared, cluster_tiles, clustering_of, models_of
from neco.report.figures.given import Given
from neco.report.figures.pictures import Column, Picture, draw_columns, labelled, read_picture
from neco.report.figures.style import drawn


def overlays(given: Given) -> list[Path]:
    """Write overlays.png and .pdf; return the paths."""
    project, shown = given.project, given.project.report
    settings = project.settings_for("in-context", given.dataset, given.shown[1])
    clusters = clustering_of(given)
    models = models_of(given)
    train, val = given.labelled("train"), given.held_out()
    return drawn(
        lambda: draw_overlays(train, val, models, settings, *clusters, shown.images),
        given.into,
        "overlays",
    )


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
    chosen = images_to_show(val, images)
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
    both = cluster_tiles(models, clusters, overcluster, pictures, chosen)
    for model, tiles in zip(models, both, strict=True):
        columns.append((f"{model.name}: K={clusters}", tiles, []))
    shown = np.unique(np.concatenate(seen))
    shown = shown[shown != IGNORED]
    return draw_columns(pictures, columns, val.classes, shown.tolist())


def image_miou(predicted: np.ndarray, truth: np.ndarray, classes: int) -> float:
    """Return the mIoU in percent of one image over the classes that it shows."""
    ious = class_iou(margins(confusion(predicted, truth, classes)))
    return float(mean_iou(ious, "skip")) * 100


def _labels(picture: Picture, labels: np.ndarray, dataset: Dataset) -> np.ndarray:
    return labelled(picture, labels, dataset.classes)
