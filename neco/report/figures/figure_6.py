"""Figure 6: features of the start and of the NeCo run come in, the clusters of both come out."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from neco.config.overcluster import Overcluster
from neco.data.dataset import Dataset
from neco.evaluate.subsets import images_to_show
from neco.report.figures.clusters import Compared, cluster_tiles, clustering_of, models_of
from neco.report.figures.given import Given
from neco.report.figures.pictures import ACROSS, Picture, grid, read_picture, show
from neco.report.figures.style import drawn


def figure_6(given: Given) -> list[Path]:
    """Write figure-6.png and .pdf; return the paths."""
    val, models, images = given.held_out(), models_of(given), given.project.report.images
    clusters = clustering_of(given)
    return drawn(lambda: draw_clusters(val, models, *clusters, images), given.into, "figure-6")


def draw_clusters(
    val: Dataset,
    models: tuple[Compared, Compared],
    overcluster: Overcluster,
    clusters: int,
    images: int,
) -> Figure:
    """Return Figure 6: inputs, clusters of the start, clusters of NeCo, in rows."""
    chosen = images_to_show(val, images)
    pictures = [read_picture(val, index) for index in chosen]
    rows = [("(a) Input", [picture.pixels for picture in pictures])]
    both = cluster_tiles(models, clusters, overcluster, pictures, chosen)
    names = [f"({letter}) {model.name}" for letter, model in zip("bc", models, strict=True)]
    rows += list(zip(names, both, strict=True))
    return _draw_rows(pictures, rows)


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
