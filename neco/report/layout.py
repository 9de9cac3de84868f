"""What each table of the paper is: its title, rows and columns, as far as the numbers do not say.

Every table of the paper is here, so none can be forgotten; one whose protocol never ran still
renders, with the reported values and `not run`.
"""

from dataclasses import dataclass
from typing import Literal

from neco.config.base import nearest
from neco.errors import UserError


@dataclass(frozen=True)
class Layout:
    """How to arrange the reported numbers of one table."""

    name: str
    title: str
    caption: str
    """For readers: what it shows and how to read it."""
    rows: Literal["methods", "settings"] = "methods"
    """`methods`: one row per model; `settings`: one row per value of an ablated setting."""
    stub: tuple[str, ...] = ("Method", "Backbone", "Params")
    gains: bool = False
    """Add a row with the gain of NeCo over its start below each pair."""


CLUSTERING = (
    "k-means on the patch tokens of the whole held-out split; clusters are matched to classes "
    "(K=GT one to one, larger K each cluster to its most precise class). mIoU in percent."
)
IN_CONTEXT = (
    "Every held-out patch takes the labels of its nearest training patches; no training. "
    "Columns are the share of training images in the memory. mIoU in percent."
)
LINEAR = (
    "A 1x1 convolution on frozen patch tokens. mIoU in percent on masks of 100x100; "
    '"full resolution" is the same head on masks at the images\' own size.'
)
ABLATION = (
    "NeCo on DINOv2R ViT-S/14, 10 epochs, one setting varied. Lin.: linear segmentation; "
    "IC: in-context with 1/128 of the training images at 448 pixels. mIoU in percent."
)

_LAYOUTS = (
    Layout("1a", "Clustering of frozen features, ViT-S", CLUSTERING),
    Layout(
        "1b",
        "Unsupervised semantic segmentation on Pascal VOC",
        "Cluster-based foreground extraction and community detection, 21 segments matched to the "
        "classes. mIoU in percent.",
        stub=("Method", "Backbone"),
    ),
    Layout("2", "Linear segmentation", LINEAR),
    Layout(
        "3",
        "NeCo from different pretrainings, ViT-S/16",
        "Each pretraining as it is, after NeCo, and the gain. Clustering with K=GT and K=500, and "
        "linear segmentation. mIoU in percent; gains in points.",
        gains=True,
    ),
    Layout(
        "4",
        "End-to-end fine-tuning with Segmenter",
        "Backbone and mask-transformer head trained together. mIoU in percent at full resolution.",
    ),
    *(
        Layout(name, title, ABLATION, rows="settings", stub=(stub,))
        for name, title, stub in (
            ("5a", "Patch selection", "Location"),
            ("5b", "Use of an EMA teacher", "Teacher"),
            ("5c", "Nearest-neighbour selection", "References"),
            ("5d", "Training data", "Dataset"),
            ("5e", "Sorting algorithm", "Network"),
        )
    ),
    Layout(
        "6",
        "What each component adds to unsupervised segmentation",
        "Pascal VOC, 21 segments. Each row adds one component to the row above. mIoU in percent.",
    ),
    Layout("7", "Clustering of frozen features", CLUSTERING),
    Layout("8", "In-context segmentation by dense nearest neighbours", IN_CONTEXT),
    *(
        Layout(name, title, ABLATION, rows="settings", stub=(stub,))
        for name, title, stub in (
            ("9a", "Number of neighbours", "Nearest"),
            ("9b", "Batch size", "Batch size"),
            ("9c", "Sorting steepness", "(Student, teacher)"),
            ("9d", "Training epochs", "Epochs"),
        )
    ),
    Layout(
        "10",
        "Cost and linear segmentation",
        "Time of an epoch (min:sec), epochs, batch size and hours of training, as the paper states "
        "them for 8 RTX A6000 together and as ours took on the device in the notes, over all "
        "starts; and linear segmentation of COCO-Things (mIoU in percent).",
        stub=("Method", "Backbone"),
    ),
)
LAYOUTS: dict[str, Layout] = {layout.name: layout for layout in _LAYOUTS}

PROTOCOL_TITLES = {
    "linear": "Lin.",
    "in-context": "IC",
    "train-hours": "GPU hours",
    "epoch-time-min:sec": "Epoch time",
    "epochs": "Epochs",
    "batch-size": "Batch size",
    "segmenter": "Segmenter",
    "unsupervised": "mIoU",
}

ABLATION_FRACTION = "1/128"
"""In-context setting of every ablation (section 4.3)."""


def layout_of(name: str) -> Layout:
    """Return the layout of a table. Raises UserError for a name that the paper does not have."""
    if name not in LAYOUTS:
        raise UserError(f"report.tables: the paper has no table '{name}'{nearest(name, LAYOUTS)}")
    return LAYOUTS[name]
