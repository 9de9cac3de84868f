"""What each table of the paper is: its title, rows and columns, and where our numbers come from.

Every table of the paper is here, so none can be forgotten. One whose protocol never ran is shown
too, with the reported values and `not run`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from neco.config.base import nearest
from neco.errors import UserError

COSTS = {
    "train-hours": "gpu_hours",
    "epochs": "epochs",
    "batch-size": "batch_size",
    "epoch-time-min:sec": "epoch_minutes",
}
"""Columns that a training measures: the paper's name, and the key in a model's `training`."""


@dataclass(frozen=True)
class Layout:
    """How to arrange the reported numbers of one table, and where ours come from."""

    name: str
    title: str
    caption: str
    """For readers: what it shows and how to read it."""
    rows: Literal["methods", "settings"] = "methods"
    """`methods` has a row for each model, `settings` one for each value of an ablated setting."""
    stub: tuple[str, ...] = ("Method", "Backbone", "Params")
    by_setting: bool = True
    """Whether every setting of the reported numbers (`K=500`, `1/8`) has a column of its own."""
    titles: Mapping[str, str] = field(default_factory=dict)
    """Headings of columns by protocol. A column without one is named by its setting, or mIoU."""
    own_settings: bool = False
    """Whether settings that only we measured are columns too."""
    measured_as: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """The protocol and setting from which a row's number is read, by the row's method, with `""`
    for all other methods. Where it is empty, the column says it."""
    costs: Mapping[str, str] = field(default_factory=lambda: COSTS)
    gains: bool = False
    """Whether a row below each pair has the gain of NeCo over its start."""
    claims_gains: bool = False
    """Whether the paper claims by this table that NeCo gains over its start."""
    varies: str = ""
    """The quantity of a training that the rows vary. It makes no difference of scale."""


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


def _ablation(name: str, title: str, stub: str, varies: str = "") -> Layout:
    titles = {"linear": "Lin.", "in-context": "IC", "train-hours": "GPU hours"}
    return Layout(
        name, title, ABLATION, rows="settings", stub=(stub,), by_setting=False, titles=titles,
        varies=varies,
    )  # fmt: skip


_LAYOUTS = (
    Layout("1a", "Clustering of frozen features, ViT-S", CLUSTERING, own_settings=True),
    Layout(
        "1b",
        "Unsupervised semantic segmentation on Pascal VOC",
        "Cluster-based foreground extraction and community detection, 21 segments matched to the "
        "classes. mIoU in percent.",
        stub=("Method", "Backbone"),
        titles={"unsupervised": "mIoU"},
    ),
    Layout("2", "Linear segmentation", LINEAR, own_settings=True, claims_gains=True),
    Layout(
        "3",
        "NeCo from different pretrainings, ViT-S/16",
        "Each pretraining as it is, after NeCo, and the gain. Clustering with K=GT and K=500, and "
        "linear segmentation. mIoU in percent; gains in points.",
        titles={"linear": "Lin."},
        gains=True,
        claims_gains=True,
    ),
    Layout(
        "4",
        "End-to-end fine-tuning with Segmenter",
        "Backbone and mask-transformer head trained together. mIoU in percent at full resolution.",
        own_settings=True,
        claims_gains=True,
    ),
    _ablation("5a", "Patch selection", "Location"),
    _ablation("5b", "Use of an EMA teacher", "Teacher"),
    _ablation("5c", "Nearest-neighbour selection", "References"),
    _ablation("5d", "Training data", "Dataset", varies="images"),
    _ablation("5e", "Sorting algorithm", "Network"),
    Layout(
        "6",
        "What each component adds to unsupervised segmentation",
        "Pascal VOC, 21 segments. Each row adds one component to the row above. mIoU in percent.",
        by_setting=False,
        measured_as={
            "+CBFE": ("unsupervised", "CBFE"),
            "+CD": ("unsupervised", "K=21"),
            "": ("overcluster", "K=GT"),  # the first two rows are plain clustering
        },
    ),
    Layout("7", "Clustering of frozen features", CLUSTERING, own_settings=True, claims_gains=True),
    Layout(
        "8",
        "In-context segmentation by dense nearest neighbours",
        IN_CONTEXT,
        own_settings=True,
        claims_gains=True,
    ),
    _ablation("9a", "Number of neighbours", "Nearest"),
    _ablation("9b", "Batch size", "Batch size", varies="batch_size"),
    _ablation("9c", "Sorting steepness", "(Student, teacher)"),
    _ablation("9d", "Training epochs", "Epochs", varies="epochs"),
    Layout(
        "10",
        "Cost and linear segmentation",
        "Time of an epoch (min:sec), epochs, batch size and hours of training, as the paper states "
        "them for 8 RTX A6000 together and as ours took on the device in the notes, over all "
        "starts; and linear segmentation of COCO-Things (mIoU in percent).",
        stub=("Method", "Backbone"),
        by_setting=False,
        titles={
            "linear": "Lin.",
            "train-hours": "Hours",
            "epoch-time-min:sec": "Epoch time",
            "epochs": "Epochs",
            "batch-size": "Batch size",
        },
        # Its hours are its epochs times its epoch time, on eight GPUs together; Table 9d's are
        # GPU-hours.
        costs={**COSTS, "train-hours": "hours"},
    ),
)
LAYOUTS: dict[str, Layout] = {layout.name: layout for layout in _LAYOUTS}


def layout_of(name: str) -> Layout:
    """Return the layout of a table. Raises UserError for a name that the paper does not have."""
    if name not in LAYOUTS:
        raise UserError(f"report.tables: the paper has no table '{name}'{nearest(name, LAYOUTS)}")
    return LAYOUTS[name]
