"""One look for all figures: a function that draws comes in, the figure's files come out.

Colour-blind readers can tell the colours apart.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from neco.data.classes import voc_colours
from neco.data.dataset import IGNORED
from neco.files import whole_file

LINES = {
    "DINO": "#999999",
    "SelfPatch": "#8c6d31",
    "CrOC": "#CC79A7",
    "TimeT": "#56B4E9",
    "Leopart": "#009E73",
    "CrIBo": "#E69F00",
    "DINOv2R": "#0072B2",
    "NeCo": "#D55E00",
    "iBOT": "#661100",
}
"""One fixed colour for each method, from Okabe and Ito's palette."""
OTHERS = ("#882255", "#332288", "#117733", "#000000", "#44AA99", "#AA4499", "#661100", "#6699CC")
"""Colours of models that the paper does not have, from Tol's muted palette."""
RESOLUTION = 200
"""Dots per inch of PNG files."""
INK = "#222222"
SOFT = "#666666"

_RC = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.labelsize": 8,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "pdf.fonttype": 42,
    "savefig.facecolor": "white",
}


@contextmanager
def journal() -> Iterator[None]:
    """Draw with the project's settings, and leave matplotlib's own as they were."""
    with mpl.rc_context(_RC):
        yield


def save(figure: Figure, into: Path, name: str) -> list[Path]:
    """Write <name>.png and <name>.pdf, the latter with embedded fonts, and return the paths."""
    paths = [into / f"{name}.png", into / f"{name}.pdf"]
    about = {"Creator": "neco", "Title": name}
    how: dict[str, Any] = {"dpi": RESOLUTION, "bbox_inches": "tight", "pad_inches": 0.05}
    with whole_file(paths[0]) as unfinished:
        figure.savefig(unfinished, format="png", **how)
    dated = {**about, "CreationDate": None}  # the same input gives the same file
    with whole_file(paths[1]) as unfinished:
        figure.savefig(unfinished, format="pdf", metadata=dated, **how)
    return paths


def drawn(draw: Callable[[], Figure], into: Path, name: str) -> list[Path]:
    """Return the files of a figure that `draw` returns, drawn in the journal's style."""
    with journal():
        return save(draw(), into, name)


def label_colours(classes: list[str]) -> np.ndarray:
    """Return VOC's colours, uint8 (classes, 3). Only a class that is called background is black."""
    first = 0 if classes and classes[0].lower() == "background" else 1
    return voc_colours(len(classes) + first)[first:]


def cluster_colours(count: int) -> np.ndarray:
    """Return distinct colours, uint8 (count, 3): hues a golden section apart, in three depths."""
    golden = 0.61803398875
    index = np.arange(count)
    hue = (index * golden) % 1.0
    saturation = np.array([0.55, 0.85, 0.7])[index % 3]
    value = np.array([0.95, 0.8, 0.6])[(index // 3) % 3]
    colours = mpl.colors.hsv_to_rgb(np.stack([hue, saturation, value], axis=1))
    return (colours * 255).round().astype(np.uint8)


def painted(image: np.ndarray, labels: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Return `image` uint8 (H, W, 3) with class labels (H, W) laid over it.

    Ignored pixels (255) show the image alone. Black, the background, is laid on more thinly.
    """
    strength = np.where(colours.any(axis=1), 0.6, 0.35)
    known = labels != IGNORED
    classes = np.where(known, labels, 0)
    mix = (strength[classes] * known)[..., None]
    return (image * (1 - mix) + colours[classes] * mix).round().astype(np.uint8)
