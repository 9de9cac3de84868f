"""Captions: a part's name comes in; what it shows, how to read it and its scale come out.

The captions of `snakemake --report` (workflow/report/*.rst) are written from here by
`python -m neco.report.page.captions workflow/report`. A test fails when they differ.
"""

import sys
from pathlib import Path
from textwrap import fill

from neco.files import write_text
from neco.paper.figures import FIGURES
from neco.paper.tables import LAYOUTS

SCALE = (
    "The footer states the scale. A dagger marks a value that was measured at another scale than "
    "the paper's. The notes below the table say how it differs. A cell that did not run says so."
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
    **{drawing.stem: drawing.title for drawing in FIGURES.values()},
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
    **{drawing.stem: drawing.caption for drawing in FIGURES.values()},
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

    Snakemake does not fill wildcards into a caption's path, so one file has to do for a whole rule.
    """
    lines = ['{% set name = snakemake.output[0].split("/")[-1].split(".")[0] %}']
    for drawing in FIGURES.values():
        lines += [f'{{% if name == "{drawing.stem}" %}}', rst(drawing.stem).rstrip(), "{% endif %}"]
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
    texts = {
        "summary": rst("summary"),
        "claims": rst("claims"),
        "table": table_rst(),
        "figure": figure_rst(),
        "workflow": _paragraph(WORKFLOW),
    }
    return {f"{name}.rst": text for name, text in texts.items()}


def write_captions(into: Path) -> list[Path]:
    """Write every caption file; return the paths."""
    paths = []
    for name, text in files().items():
        write_text(into / name, text)
        paths.append(into / name)
    return paths


if __name__ == "__main__":
    write_captions(Path(sys.argv[1]))
