"""Settings of the report: its tables, its figures, and the names of all its parts."""

from typing import Literal, get_args

from pydantic import Field

from neco.config.base import Settings

Table = Literal[
    "1a", "1b", "2", "3", "4", "5a", "5b", "5c", "5d", "5e", "6", "7", "8", "9a", "9b", "9c", "9d",
    "10",
]  # fmt: skip
Figure = Literal["1", "2", "3", "4", "5", "6", "7", "overlays"]

SHOWN = (
    *(f"table-{name}" for name in get_args(Table)),
    *(f"figure-{name}" if name.isdigit() else name for name in get_args(Figure)),
)
"""The tables and figures of the paper, and the overlays."""
PARTS = (*SHOWN, "summary", "claims")
"""Everything that can be asked for alone; the last two show all that a project computes."""


ABLATION_TABLES = tuple(name for name in get_args(Table) if name[0] in "59")
"""The tables whose rows are settings of one run: Tables 5 and 9."""


PAPERS = "pascal-voc"
"""The dataset whose images the paper's figures show."""


class Report(Settings):
    """Which tables and figures the report has."""

    tables: list[Table] = ["1a", "2", "7", "8"]
    """Tables of the paper, by number. A table shows results of `evaluations` and does not add
    any."""
    figures: list[Figure] = ["1", "2", "3", "4", "5", "6", "7", "overlays"]
    """Figures of the paper, by number, and `overlays`, which shows segments on held-out images."""
    dataset: str | None = None
    """Name of the dataset whose held-out images the figures show. Null and pascal-voc take
    pascal-voc where the project has it, and else the first dataset that is evaluated."""
    against: str | None = None
    """Model (a backbone, or a run with all its seeds) that the summary compares every other model
    with. The summary shows the difference and its interval, by paired bootstrap over images with
    `compare.level`, `compare.replicas` and `compare.seed`. Null takes the first backbone of a
    project without runs; a project with runs shows gains over starting backbones instead."""
    run: str | None = None
    """Name of the run that the figures compare with its start; null takes the project's first."""
    images: int = Field(6, ge=1)
    """Number of images in each figure. More of them make figures longer."""
    clusters: int = Field(100, ge=2)
    """Number of clusters (K) that Figure 6 and the overlays show. More of them show smaller
    parts."""
