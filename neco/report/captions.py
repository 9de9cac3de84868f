"""What each part of a report shows, how to read it, and at what scale: for readers.

The captions of `snakemake --report` (workflow/report/*.rst) are written from here by
`python -m neco.report.captions workflow/report`; a test fails when they differ.
"""

import sys
from pathlib import Path
from textwrap import fill

from neco.files import write_text
from neco.report.layout import LAYOUTS

SCALE = (
    "Scale: what is in the footer. A dagger marks a value measured at another scale than the "
    "paper's; the notes below the table say how. A cell that did not run says so."
)
HOW_TABLES = (
    "Each column has three parts: the value that the paper reports, ours, and the difference "
    "(ours minus the paper's). ± is a sample standard deviation, over training seeds for a run "
    "with several, else over evaluation seeds. Rows under 'Not in the paper' are models of this "
    "project alone."
)
TITLES = {
    "summary": "Summary: does NeCo beat its start?",
    "claims": "The paper's claims, held against our numbers",
    "curves": "Training curves",
    "overlays": "Predictions and clusters before and after NeCo",
    "figure-1": "Figure 1. The method, on a real batch",
    "figure-2": "Figure 2. In-context segmentation with fewer training images",
    "figure-3": "Figure 3. Images and their ground truth",
    "figure-4": "Figure 4. Nearest patches",
    "figure-5": "Figure 5. Where the start beats NeCo most",
    "figure-6": "Figure 6. Overclustering maps",
    "figure-7": "Figure 7. Fully unsupervised segmentation",
}
CAPTIONS = {
    "summary": (
        "Every model of the project with its headline scores: in-context segmentation with all "
        "training images, overclustering with the most clusters, and linear segmentation where "
        "it ran. For each NeCo run the gain over its own starting backbone, and in brackets in "
        "how many training seeds it is positive. The sentences below say plainly whether NeCo "
        "beats its start, and whether that start is above random weights and patch colours."
    ),
    "claims": (
        "What the paper's tables say, checked one claim at a time: that NeCo gains over its "
        "start, that the paper's best row is the best here, that rows are ordered alike, and "
        "that single cells agree. Gains and orders are judged at any scale, values only at the "
        "paper's. Claims that need something that did not run are listed as not run."
    ),
    "curves": (
        "One line per training seed. The excess is the loss minus the entropy of its targets, "
        "the least it can be: it is what training lowers, and near zero there is nothing left "
        "to learn. A rank that falls towards 1 means that the features collapse, which the loss "
        "alone hides."
    ),
    "overlays": (
        "Held-out images drawn at random from those with at least two classes, none picked by "
        "hand. From left to right: input, ground truth, the in-context prediction of the "
        "starting backbone and of the NeCo run (with the image's mIoU over the classes it "
        "shows), and the clusters of each. Clusters of the two models that overlap most share "
        "a colour; colours mean nothing else."
    ),
    "figure-1": (
        "One image of a real batch goes through the method. Two crops become a teacher's and a "
        "student's view; RoIAlign reads both where the crops meet (white grid), and the colours "
        "of the aligned features are their three principal components. One patch (black frame) "
        "is compared with the reference patches (yellow) of the other images; a relaxed sort "
        "turns each row of distances into an order, and the cross-entropy asks both orders to "
        "agree. Its floor is what remains when they do. The features are the starting "
        "backbone's, without the projection head."
    ),
    "figure-2": (
        "mIoU of in-context segmentation against the share of training images in the memory. "
        "Dashed lines with hollow marks are the paper's reported values, solid lines ours, in "
        "the same colour for the same model; squares are models that the paper does not have. "
        "Bars are one standard deviation."
    ),
    "figure-3": (
        "Held-out images drawn at random with their labels laid over them, in the colours of "
        "PASCAL VOC. Ignored pixels show the image alone."
    ),
    "figure-4": (
        "For the query patch on the left, the nearest patches by cosine similarity in the whole "
        "held-out split, the best one of each other image. A query is the patch nearest to the "
        "middle of an object; queries are taken at equal steps over the split. A blue frame: "
        "the patch shows the query's class; orange and dashed: it does not."
    ),
    "figure-5": (
        "As Figure 4, for the queries in which the starting backbone retrieves more patches of "
        "the query's class than NeCo, the largest differences first. The line below says in how "
        "many queries either is ahead."
    ),
    "figure-6": (
        "k-means clusters of the patch tokens of the whole held-out split, shown on images that "
        "were drawn at random. Clusters of the two models that overlap most share a colour; "
        "colours mean nothing else."
    ),
    "figure-7": (
        "Foreground by cluster-based foreground extraction, grouped into objects by community "
        "detection, without any label."
    ),
}
WORKFLOW = (
    "NeCo (Patch Neighbor Consistency) trains a pretrained Vision Transformer further, so that a "
    "patch has the same nearest neighbours in two views of an image. This report holds what the "
    "project {{ snakemake.config.get('name', '') }} computed: every table of the paper with the "
    "reported value, ours and the difference; figures; and the paper's claims, held against our "
    "numbers. Nothing is filled in that did not run."
)


def rst(name: str) -> str:
    """Return the caption of one part as reStructuredText."""
    return f"{_paragraph(TITLES[name], bold=True)}\n{_paragraph(CAPTIONS[name])}"


def figure_rst() -> str:
    """Return one caption for all figures: a Jinja template that looks at the output's name.

    Snakemake does not fill wildcards into a caption's path, so one file serves a whole rule.
    """
    lines = ['{% set name = snakemake.output[0].split("/")[-1].split(".")[0] %}']
    for name in CAPTIONS:
        if name.startswith("figure-") or name == "overlays":
            lines += [f'{{% if name == "{name}" %}}', rst(name).rstrip(), "{% endif %}"]
    return "\n".join(lines) + "\n"


def table_rst() -> str:
    """Return one caption for all tables, in the same way."""
    lines = ['{% set name = snakemake.output[0].split("table-")[-1].split(".")[0] %}']
    for layout in LAYOUTS.values():
        lines += [
            f'{{% if name == "{layout.name}" %}}',
            _paragraph(f"Table {layout.name}. {layout.title}", bold=True),
            _paragraph(layout.caption).rstrip(),
            "{% endif %}",
        ]
    lines += ["", _paragraph(HOW_TABLES), _paragraph(SCALE).rstrip()]
    return "\n".join(lines) + "\n"


def _paragraph(text: str, bold: bool = False) -> str:
    text = f"**{text}**" if bold else text
    return fill(text, 96, break_on_hyphens=False, break_long_words=False) + "\n"


def files() -> dict[str, str]:
    """Return the content of every caption file by its name."""
    parts = {f"{name}.rst": rst(name) for name in CAPTIONS}
    shared = {"table.rst": table_rst(), "figure.rst": figure_rst()}
    return {**parts, **shared, "workflow.rst": _paragraph(WORKFLOW)}


def write_captions(into: Path) -> list[Path]:
    """Write every caption file; return the paths."""
    paths = []
    for name, text in files().items():
        write_text(into / name, text)
        paths.append(into / name)
    return paths


if __name__ == "__main__":
    write_captions(Path(sys.argv[1]))
