"""The figures by number: what each shows, what it is made from, and which function draws it.

`overlays` is not in the paper: it shows predictions before and after NeCo at a glance.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from neco.paper.reported import Reported, of_table

RETRIEVAL = ("start_val", "run_val")
CLUSTERING = ("start_cluster", "run_cluster")


@dataclass(frozen=True)
class Drawing:
    """One figure."""

    name: str
    """What commands and settings call it: its number, or `overlays`."""
    title: str
    caption: str
    """For readers: what it shows and how to read it."""
    drawn_by: str
    """`module.function` of neco/report/figures. It takes Given and returns the files' paths."""
    images: Literal["none", "held-out", "training"] = "held-out"
    """Of which dataset images are shown: of `report.dataset`, or of what the run trains on."""
    needs: tuple[str, ...] = ()
    """What else it is made from: `metrics` (in-context scores), `weights` (the start's), `maps`
    (what the unsupervised protocol predicts), or features. Features are called like `start_val`:
    those of the `start` or the `run`, of the `train` or `val` split as in-context reads it, or
    `cluster` for the held-out split as overclustering reads it."""

    @property
    def stem(self) -> str:
        """Return how the names of its files begin: `figure-2`."""
        return f"figure-{self.name}" if self.name[0].isdigit() else self.name

    @property
    def compares(self) -> bool:
        """Return whether it shows a run. A project without runs cannot draw it then."""
        return bool(self.needs) and "metrics" not in self.needs


_DRAWINGS = (
    Drawing(
        "1",
        "Figure 1. The method, on a real batch",
        "One image of a real batch goes through the method. Two crops become a teacher's and a "
        "student's view; RoIAlign reads both where the crops meet (white grid), and the colours "
        "of the aligned features are their three principal components. One patch (black frame) "
        "is compared with the reference patches (yellow) of the other images; a relaxed sort "
        "turns each row of distances into an order, and the cross-entropy asks both orders to "
        "agree. Its floor is what remains when they do. The features are the starting "
        "backbone's, without the projection head.",
        "figure_1.figure_1",
        images="training",
        needs=("weights",),
    ),
    Drawing(
        "2",
        "Figure 2. In-context segmentation with fewer training images",
        "mIoU of in-context segmentation against the share of training images in the memory. "
        "Dashed lines with hollow marks are the paper's reported values, solid lines ours, in "
        "the same colour for the same model; squares are models that the paper does not have. "
        "Bars are one standard deviation.",
        "figure_2.figure_2",
        images="none",
        needs=("metrics",),
    ),
    Drawing(
        "3",
        "Figure 3. Images and their ground truth",
        "Held-out images drawn at random with their labels laid over them, in the colours of "
        "PASCAL VOC. Ignored pixels show the image alone.",
        "figure_3.figure_3",
    ),
    Drawing(
        "4",
        "Figure 4. Nearest patches",
        "For the query patch on the left, the nearest patches by cosine similarity in the whole "
        "held-out split, the best one of each other image. A query is the patch nearest to the "
        "middle of an object; queries are taken at equal steps over the split. A blue frame: "
        "the patch shows the query's class; orange and dashed: it does not.",
        "figures_4_and_5.figure_4",
        needs=RETRIEVAL,
    ),
    Drawing(
        "5",
        "Figure 5. Where the start beats NeCo most",
        "As Figure 4, for the queries in which the starting backbone retrieves more patches of "
        "the query's class than NeCo, the largest differences first. The line below says in how "
        "many queries either is ahead.",
        "figures_4_and_5.figure_5",
        needs=RETRIEVAL,
    ),
    Drawing(
        "6",
        "Figure 6. Overclustering maps",
        "k-means clusters of the patch tokens of the whole held-out split, shown on images that "
        "were drawn at random. Clusters of the two models that overlap most share a colour; "
        "colours mean nothing else.",
        "figure_6.figure_6",
        needs=CLUSTERING,
    ),
    Drawing(
        "7",
        "Figure 7. Fully unsupervised segmentation",
        "Foreground by cluster-based foreground extraction, grouped into objects by community "
        "detection, without any label.",
        "figure_7.figure_7",
        needs=("maps",),
    ),
    Drawing(
        "overlays",
        "Predictions and clusters before and after NeCo",
        "Held-out images drawn at random from those with at least two classes, none picked by "
        "hand. From left to right: input, ground truth, the in-context prediction of the "
        "starting backbone and of the NeCo run (with the image's mIoU over the classes it "
        "shows), and the clusters of each. Clusters of the two models that overlap most share "
        "a colour; colours mean nothing else.",
        "overlays.overlays",
        needs=(
            *("start_train", "start_val", "start_cluster"),
            *("run_train", "run_val", "run_cluster"),
        ),
    ),
)
FIGURES: dict[str, Drawing] = {drawing.name: drawing for drawing in _DRAWINGS}


def figure_2_numbers(reported: Sequence[Reported]) -> list[Reported]:
    """Return the numbers that Figure 2 shows: those of Table 8 for ViT-S."""
    return [row for row in of_table(reported, "8") if "ViT-S" in row.backbone]
