"""The commands models, table, figure, summary, verify and report: they take metrics files to what
people read. Folders that are not given are the workflow's: results/<name of the project>/.
"""

from __future__ import annotations

import argparse
import logging
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from neco.cli.arguments import DATA, Commands, add_config, file_or_folder, place, project_of
from neco.config.project import Project
from neco.config.reporting import Figure, Table
from neco.errors import UserError
from neco.files import refuse_no_folder
from neco.paper.figures import FIGURES
from neco.run_files import METRICS

if TYPE_CHECKING:
    from neco.report.scores.groups import Group

log = logging.getLogger(__name__)

SIDES = {"start": "the start's", "run": "the run's"}
PARTS = {
    "train": "features of the training split",
    "val": "features of the held-out split",
    "cluster": "features of the held-out split at the size of overclustering",
}
FEATURES = {
    f"{side}_{part}": f"{whose} {what}: a folder that `neco extract` wrote"
    for side, whose in SIDES.items()
    for part, what in PARTS.items()
}
"""Features that a figure may read, and what the command's help says of each."""


def add_commands(commands: Commands) -> None:
    """Add this module's commands."""
    for name, run, about in (
        ("models", _models, "write a list of every model of a project (models.json)"),
        ("table", _table, "write a table of the paper with this project's numbers beside it"),
        ("figure", _figure, "draw a figure of the paper"),
        ("summary", _summary, "print and write the short table of models and gains"),
        ("verify", _verify, "check the paper's claims with this project's numbers"),
        ("report", _report, "write a report in one HTML file, of the results so far"),
    ):
        command = commands.add_parser(name, help=about)
        add_config(command)
        command.add_argument(
            "--into", type=place, help="folder or file to write (default: the workflow's)"
        )
        command.add_argument("--runs", type=file_or_folder, help="folder of trained runs")
        if name in ("table", "figure"):
            command.add_argument(
                "name",
                choices=get_args(Table if name == "table" else Figure),
                help=f"number of the {name}",
            )
        if name != "models":
            command.add_argument("--metrics", type=file_or_folder, help="folder of metrics files")
            command.add_argument(
                "--models",
                type=file_or_folder,
                help="models.json to read (default: the configuration's models)",
            )
        if name == "report":
            command.add_argument("--figures", type=file_or_folder, help="folder of figures")
        if name == "figure":
            command.add_argument("--data", type=file_or_folder, help=DATA)
            command.add_argument(
                "--weights",
                type=file_or_folder,
                help="for figure 1: weights of the backbone at its start",
            )
            command.add_argument(
                "--maps",
                type=file_or_folder,
                nargs=2,
                metavar=("START", "RUN"),
                help="for figure 7: what `evaluate unsupervised --maps` wrote for start and run",
            )
            for need, which in FEATURES.items():
                command.add_argument(_flag(need), type=file_or_folder, help=which)
        command.set_defaults(step=run)


def _flag(need: str) -> str:
    return f"--{need.replace('_', '-')}"


def _place(args: argparse.Namespace, project: Project, name: str, within: str = "") -> Path:
    """Return what an argument names, by default where the workflow has it."""
    given: Path | None = getattr(args, name)
    return given or Path("results") / project.name / (within or name)


def _look_at_folders(args: argparse.Namespace) -> None:
    """Say where given folders are not there. Raises UserError where one is a file."""
    for name in ("metrics", "runs", "figures"):
        given: Path | None = getattr(args, name, None)
        if given is not None and given.exists():
            refuse_no_folder(given, name, f"--{name}")
    if args.metrics is not None and not args.metrics.exists():
        log.warning(f"--metrics {args.metrics}: there is no such folder, so no number is shown")


def _checked_project(args: argparse.Namespace) -> Project:
    """Return the project, sure that the metrics were measured with its settings."""
    from neco.report.scores.measured import refuse_other_settings

    project = project_of(args)
    _look_at_folders(args)
    refuse_other_settings(_place(args, project, "metrics"), project)
    return project


def _groups(args: argparse.Namespace, project: Project) -> list[Group]:
    """Return the models of --models, else the project's with what is known of their trainings."""
    from neco.report.scores.groups import grouped, read_groups
    from neco.report.scores.models import describe_models

    if args.models:
        return read_groups(args.models)
    return grouped(describe_models(project, _place(args, project, "runs")))


def _models(args: argparse.Namespace) -> None:
    from neco.report.scores.models import write_models

    project = project_of(args)
    into = _place(args, project, "into", "models.json")
    print(write_models(project, _place(args, project, "runs"), into))


def _table(args: argparse.Namespace) -> None:
    from neco.report.tables.build import write_table
    from neco.report.tables.cells import Footer

    project = _checked_project(args)
    metrics, into = _place(args, project, "metrics"), _place(args, project, "into", "tables")
    for path in write_table(args.name, metrics, _groups(args, project), into, Footer.of(project)):
        print(path)


def _summary(args: argparse.Namespace) -> None:
    from neco.report.scores.measured import read_measured
    from neco.report.summary.gains import build_overview
    from neco.report.summary.render import print_summary, write_summary
    from neco.report.tables.cells import Footer

    project = _checked_project(args)
    measured = read_measured(_place(args, project, "metrics"), _groups(args, project))
    overview = build_overview(
        measured, Footer.of(project), project.compared_with(), project.compare
    )
    write_summary(overview, _place(args, project, "into", "tables"))
    print_summary(overview)


def _verify(args: argparse.Namespace) -> None:
    from neco.paper.reported import read_reported
    from neco.report.claims.render import print_claims, write_claims
    from neco.report.claims.verify import verify
    from neco.report.scores.measured import read_measured
    from neco.report.summary.gains import build_overview
    from neco.report.tables.cells import Footer

    project = _checked_project(args)
    measured = read_measured(_place(args, project, "metrics"), _groups(args, project))
    claims = verify(measured, read_reported())
    gains = [gain.sentence for gain in build_overview(measured).gains]
    footer = Footer.of(project).completed(measured.commits, measured.date)
    write_claims(claims, gains, footer, _place(args, project, "into", "tables"))
    print_claims(claims)


def _report(args: argparse.Namespace) -> None:
    from neco.report.page.build import write_report
    from neco.report.tables.cells import Footer

    project = _checked_project(args)
    footer = Footer.of(project)
    runs = {
        name: [_place(args, project, "runs") / f"{name}.seed{seed}" / METRICS for seed in run.seeds]
        for name, run in project.runs.items()
    }
    print(
        write_report(
            _place(args, project, "into", "report/now.html"),
            _place(args, project, "metrics"),
            _groups(args, project),
            footer,
            figures=_place(args, project, "figures"),
            tables=project.report.tables,
            runs=runs,
            config=args.config,
            rerun=[footer.command],
            against=project.compared_with(),
            paired=project.compare,
        )
    )


def _figure(args: argparse.Namespace) -> None:
    from neco.report.figures.given import Given

    project, drawing = project_of(args), FIGURES[args.name]
    _look_at_folders(args)
    wanted = [need for need in drawing.needs if need not in ("metrics", "weights")]
    if drawing.images != "none":
        wanted.insert(0, "data")
    missing = [_flag(need) for need in wanted if getattr(args, need) is None]
    if missing:
        raise UserError(
            f"figure {args.name} needs {', '.join(missing)}; give them (see docs/paper-map.md)"
        )
    given = Given(
        project,
        into=_place(args, project, "into", "figures"),
        groups=_groups(args, project) if "metrics" in drawing.needs else [],
        metrics=_place(args, project, "metrics"),
        data=args.data or Path(),
        weights=args.weights,
        maps=tuple(args.maps or ()),
        features={need: getattr(args, need) for need in FEATURES if need in drawing.needs},
    )
    module, _, function = drawing.drawn_by.rpartition(".")
    for path in getattr(import_module(f"neco.report.figures.{module}"), function)(given):
        print(path)
