"""What each table and figure costs by itself: the table in docs/paper-map.md.

`python -m neco.plan.alone docs/paper-map.md` renews it, from one dry run of the paper.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from neco.config import Project, load_project
from neco.config.reporting import SHOWN
from neco.documents import renew
from neco.paper.figures import FIGURES
from neco.plan.hours import gpu_hours, paper_speed
from neco.plan.jobs import Job, dry_run, leading_to, read_jobs
from neco.report.needs import Needs, together

COMMAND = "python -m neco.plan.alone docs/paper-map.md"
CONFIG = Path("config/config.yaml")
NOWHERE = "data=/nowhere"
"""A data folder that does not exist, so that neither jobs nor image counts depend on one that
does."""
DECIDED_BY = {
    "table-1a": "`overcluster`",
    "table-1b": "`unsupervised`",
    "table-2": "`linear`",
    "table-3": "`runs` from iBOT, DINO, TimeT, Leopart, CrIBo",
    "table-4": "`segmenter`",
    "table-5a": "`train.loss.patches`",
    "table-5b": "`train.teacher.kind`",
    "table-5c": "`train.loss.references.scope`",
    "table-5d": "`train.dataset`",
    "table-5e": "`train.loss.sorting.network`",
    "table-6": "`unsupervised`",
    "table-7": "`overcluster`",
    "table-8": "`in-context`",
    "table-9a": "`train.loss.nearest`",
    "table-9b": "`train.batch_size`",
    "table-9c": "`train.loss.sorting.*_steepness`",
    "table-9d": "`train.epochs`",
    "table-10": "`training.json` of the runs",
    "figure-1": "`report.run`",
    "figure-2": "`in-context`",
    "figure-3": "`report.dataset`",
    "figure-4": "`report.run`",
    "figure-5": "`report.run`",
    "figure-6": "`report.clusters`",
    "figure-7": "`unsupervised`",
    "overlays": "`report.run`",
}
"""The protocol or the setting that each part shows the effect of."""


def jobs_of_paper() -> list[Job]:
    """Return every job of the paper's configuration, as if nothing had run."""
    return read_jobs(dry_run(CONFIG, [NOWHERE], "--forceall"))


def file_of(part: str, project: Project) -> str:
    """Return the file that shows a part: what the workflow is asked for."""
    figures = {drawing.stem for drawing in FIGURES.values()}
    folder, suffix = ("figures", "png") if part in figures else ("tables", "html")
    return f"results/{project.name}/{folder}/{part}.{suffix}"


def rows(project: Project, jobs: Sequence[Job]) -> list[list[str]]:
    """Return one row per table and figure, then the whole project."""
    found = []
    for part in SHOWN:
        alone = leading_to([file_of(part, project)], jobs)
        numbers = _numbers(alone, project, together([part], project))
        found.append([part, DECIDED_BY[part], *numbers])
    return [*found, ["the whole report", "", *_numbers(jobs, project, None)]]


def _numbers(jobs: Sequence[Job], project: Project, needs: Needs | None) -> list[str]:
    hours = sum(cost.hours for cost in gpu_hours(project, paper_speed(), needs))
    return [f"{len(jobs):,}", f"{hours:,.1f}"]


def table(project: Project, jobs: Sequence[Job]) -> str:
    """Return the table as Markdown."""
    header = ["part", "protocol or setting", "jobs", "GPU-hours"]
    lines = [f"| {' | '.join(header)} |", "| --- | --- |" + " ---: |" * (len(header) - 2)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows(project, jobs))])


if __name__ == "__main__":
    paper = load_project(CONFIG, {"data": "/nowhere"})
    renew(Path(sys.argv[1]), COMMAND, table(paper, jobs_of_paper()))
