"""What the demo ends with: its scores beside the published ones, and where the report is."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from neco.backbones.registry import file_stem
from neco.config import Project
from neco.config.load import load_project
from neco.errors import UserError
from neco.evaluate.result import Metrics, read_result
from neco.paper.reported import DATASET_TITLES
from neco.publish.remote import FOLDER, content, read_object
from neco.report.tables.cells import NOT_RUN, signed

PUBLISHED = "demo"
"""The published project that a run is held beside."""

Place = tuple[str, str]
"""Protocol and dataset."""


@dataclass(frozen=True)
class Scored:
    """A project with what was measured of it."""

    project: Project
    metrics: dict[tuple[str, str, str], Metrics]
    """By (protocol, dataset, model)."""


def read_scored(settings: Path, metrics: Path) -> Scored:
    """Return a project and its metrics files, as the workflow lays them out; missing ones are left
    out."""
    project = load_project(settings)
    found = {}
    for protocol, dataset, model in project.evaluated():
        path = metrics / protocol / dataset / f"{file_stem(model)}.json"
        if path.exists():
            found[protocol, dataset, model] = read_result(path)
    return Scored(project, found)


def read_published(repository: Path) -> Scored | None:
    """Return the published demo from the objects that this checkout carries, None without any.

    Raises UserError where one of them is damaged.
    """
    objects = content(repository)
    ours = Path(FOLDER) / PUBLISHED
    with TemporaryDirectory() as folder:
        for path, name in objects.items():
            if path.is_relative_to(ours / "metrics") or path == ours / "project.yaml":
                copy = Path(folder) / path.relative_to(ours)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(read_object(repository, name))
        settings = Path(folder) / "project.yaml"
        return read_scored(settings, Path(folder) / "metrics") if settings.exists() else None


def print_ending(results: Path, repository: Path, console: Console | None = None) -> None:
    """Print the scores of results/<project>, those published beside them, and the report's path."""
    console = console or Console(highlight=False)
    ours = read_scored(results / "project.yaml", results / "metrics")
    published, trouble = None, "this checkout carries none"
    try:
        published = read_published(repository)
    except UserError as error:
        trouble = str(error)
    console.print(_table(ours, published))
    console.print(_notes(ours, published, trouble), markup=False)
    report = results / "report" / "report.html"
    console.print(f"The report: {report}", soft_wrap=True, markup=False)


def _table(ours: Scored, published: Scored | None) -> Table:
    """Return the table: a row per model, a column per protocol and dataset of `ours`."""
    columns = {(one.protocol, one.dataset): one.headline for one in ours.metrics.values()}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("mIoU in percent\n(gain over the start)")
    for (protocol, dataset), setting in columns.items():
        title = f"{DATASET_TITLES.get(dataset, dataset)}\n{protocol} {setting}"
        table.add_column(escape(title.strip()), justify="right")
    for name, scored in (("this run", ours), ("published", published)):
        if scored is None:
            continue
        for label, model, start in _models(scored):
            cells = [_cell(scored, place, model, start) for place in columns.items()]
            if any(cell != NOT_RUN for cell in cells):
                table.add_row(*map(escape, (f"{name}: {label}", *cells)))
    return table


def _models(scored: Scored) -> list[tuple[str, str, str | None]]:
    """Return label, name and starting backbone of what is shown: each start, then its runs."""
    models = scored.project.models()
    shown: dict[str, tuple[str, str, str | None]] = {}
    for name, (backbone, run, seed) in models.items():
        if run is not None:
            shown.setdefault(backbone, (f"start, {backbone}", backbone, None))
            shown[name] = (f"NeCo, training seed {seed}", name, backbone)
    return list(shown.values())


def _cell(scored: Scored, place: tuple[Place, str], model: str, start: str | None) -> str:
    """Return `14.4 ± 0.7 (+0.5)` of a model in one column, `not run` where it was not measured."""
    (protocol, dataset), setting = place
    found = [scored.metrics.get((protocol, dataset, name)) for name in (model, start) if name]
    numbers = [one.summary.get(setting) if one else None for one in found]
    if numbers[0] is None:
        return NOT_RUN
    spread = "" if numbers[0].std is None else f" ± {numbers[0].std:.1f}"
    gain = numbers[0].mIoU - numbers[1].mIoU if len(numbers) > 1 and numbers[1] else None
    return f"{numbers[0].mIoU:.1f}{spread}" + ("" if gain is None else f" ({signed(gain)})")


def _notes(ours: Scored, published: Scored | None, trouble: str) -> str:
    """Return what ± means, and in what the published runs differ from this one."""
    spread = "± is the spread over evaluation seeds."
    if published is None:
        return f"{spread} Published runs are not shown: {trouble}."
    if _size(ours) == _size(published):
        return spread
    return (
        f"{spread} This run: {_size(ours)}. The published ones, which `make demo FULL=1` "
        f"repeats: {_size(published)}. So compare gains, not scores."
    )


def _size(scored: Scored) -> str:
    """Return how long the runs of a project train, and on how many scenes it is evaluated."""
    project = scored.project
    name = next(iter(project.runs))
    settings = project.training(name)
    size = f"{settings.steps} steps of {settings.batch_size} images"
    if project.scenes is None:
        return size
    return f"{size}, measured on {project.scenes.val} scenes"
