"""Overlays and Figure 6: what the start and the NeCo run make of the same images."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.optimize import linear_sum_assignment

from neco.config.evaluation import InContext, Overcluster
from neco.data.dataset import IGNORED, Dataset
from neco.evaluate.overcluster import cluster_maps
from neco.report.pictures import (
    Picture,
    choose,
    grid,
    labelled,
    legend,
    legend_height,
    read_picture,
    show,
)
from neco.report.predictions import (
    ModelFeatures,
    image_miou,
    in_context_predictions,
)
from neco.report.style import cluster_colours, drawn

ACROSS = 7.0
CLUSTER_STRENGTH = 0.75


def write_overlays(
    train: Dataset,
    val: Dataset,
    start: ModelFeatures,
    neco: ModelFeatures,
    into: Path,
    *,
    in_context: InContext,
    overcluster: Overcluster,
    clusters: int = 100,
    images: int = 6,
    seed: int = 0,
) -> list[Path]:
    """Write overlays.png and .pdf; return the paths.

    One row per image: input, ground truth, in-context prediction of the start and of NeCo (with
    the image's mIoU over the classes it shows), clusters of the start and of NeCo.
    """
    chosen = choose(val, images, seed=seed)
    pictures = [read_picture(val, index) for index in chosen]
    columns: list[tuple[str, list[np.ndarray], list[str]]] = []
    truth = [val.items[index].read_mask() for index in chosen]
    columns.append(("input", [picture.pixels for picture in pictures], []))
    columns.append(
        ("ground truth", [_labels(p, t, val) for p, t in zip(pictures, truth, strict=True)], [])
    )
    seen = [np.unique(mask) for mask in truth]
    for model in (start, neco):
        maps = in_context_predictions(model, train, val, chosen, in_context)
        seen += [np.unique(found) for found in maps]
        scores = [
            f"{image_miou(found, mask, len(val.classes)):.0f}"
            for found, mask in zip(maps, truth, strict=True)
        ]
        drawn_maps = [_labels(p, found, val) for p, found in zip(pictures, maps, strict=True)]
        columns.append((f"{model.name}: in-context", drawn_maps, scores))
    both = _cluster_tiles((start, neco), clusters, overcluster, pictures, chosen)
    for model, tiles in zip((start, neco), both, strict=True):
        columns.append((f"{model.name}: K={clusters}", tiles, []))
    shown = np.unique(np.concatenate(seen))
    shown = shown[shown != IGNORED]
    return drawn(
        lambda: _draw_columns(pictures, columns, val.classes, shown.tolist()), into, "overlays"
    )


def write_figure_6(
    val: Dataset,
    start: ModelFeatures,
    neco: ModelFeatures,
    into: Path,
    *,
    overcluster: Overcluster,
    clusters: int = 100,
    images: int = 6,
    seed: int = 0,
) -> list[Path]:
    """Write figure-6.png and .pdf: inputs, clusters of the start, clusters of NeCo, in rows."""
    chosen = choose(val, images, seed=seed)
    pictures = [read_picture(val, index) for index in chosen]
    rows = [("(a) Input", [picture.pixels for picture in pictures])]
    both = _cluster_tiles((start, neco), clusters, overcluster, pictures, chosen)
    rows += [(f"(b) {start.name}", both[0]), (f"(c) {neco.name}", both[1])]
    return drawn(lambda: _draw_rows(pictures, rows), into, "figure-6")


def _labels(picture: Picture, labels: np.ndarray, dataset: Dataset) -> np.ndarray:
    return labelled(picture, labels, dataset.classes)


def _cluster_tiles(
    models: tuple[ModelFeatures, ModelFeatures],
    clusters: int,
    settings: Overcluster,
    pictures: list[Picture],
    chosen: list[int],
) -> list[list[np.ndarray]]:
    """Return each model's clusters over the pictures; clusters that overlap share a colour."""
    before, after = (
        cluster_maps(model.cluster, clusters, settings, settings.seeds[0]) for model in models
    )
    after = renumbered(after, before, clusters)
    colours = cluster_colours(clusters)
    return [
        [_clusters(picture, maps[i], colours) for picture, i in zip(pictures, chosen, strict=True)]
        for maps in (before, after)
    ]


def renumbered(maps: np.ndarray, like: np.ndarray, clusters: int) -> np.ndarray:
    """Return `maps` with clusters renumbered one to one to those of `like` they overlap most.

    Both int (images, rows, columns), grids of the same images. Colours then compare by eye.
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


def _draw_columns(
    pictures: list[Picture],
    columns: list[tuple[str, list[np.ndarray], list[str]]],
    classes: list[str],
    shown: list[int],
) -> Figure:
    bottom = legend_height(shown, ACROSS) + 0.05
    heights = [1 / picture.aspect for picture in pictures]
    figure, axes = grid([1.0] * len(columns), heights, across=ACROSS, top=0.2, bottom=bottom)
    for number, (title, tiles, scores) in enumerate(columns):
        axes[0][number].set_title(title, fontsize=7, pad=3)
        for place, (row, tile) in zip(axes, enumerate(tiles), strict=True):
            show(place[number], tile)
            if scores:
                _corner(place[number], f"mIoU {scores[row]}")
    legend(figure, classes, shown, bottom - 0.05)
    return figure


def _corner(axes: Axes, text: str) -> None:
    box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
    axes.text(0.03, 0.04, text, transform=axes.transAxes, fontsize=6, bbox=box)


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
