"""models, table, figure, summary, verify, report: from metrics to what people read."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from neco.cli.arguments import Commands, add_config, add_into, project_of
from neco.config.project import Figure, Project, Table
from neco.errors import UserError

if TYPE_CHECKING:
    from neco.report.cells import Footer

WITH_FEATURES = ("4", "5", "6", "overlays")
"""Figures that compare the features of a start and of its run."""


def add_commands(commands: Commands) -> None:
    """Add this module's commands."""
    for name, run, about in (
        ("models", _models, "describe every model of a project (models.json)"),
        ("table", _table, "write a table of the paper with our numbers beside"),
        ("figure", _figure, "draw a figure"),
        ("summary", _summary, "write the short table: models and gains"),
        ("verify", _verify, "hold our numbers against the paper's claims"),
        ("report", _report, "write the one-file HTML report"),
    ):
        command = commands.add_parser(name, help=about)
        add_config(command)
        add_into(command, "folder (or file) to write")
        if name in ("table", "figure"):
            command.add_argument("name", choices=get_args(Table if name == "table" else Figure))
        if name != "models":
            command.add_argument("--metrics", type=Path, help="folder of metrics files")
            command.add_argument("--models", type=Path, help="models.json")
        if name in ("models", "report"):
            command.add_argument("--runs", type=Path, required=True, help="folder of trained runs")
        if name == "report":
            command.add_argument("--figures", type=Path, required=True, help="folder of figures")
        if name == "figure":
            command.add_argument("--data", type=Path, help="a prepared dataset")
            command.add_argument("--weights", type=Path, help="start's weights, for figure 1")
            command.add_argument(
                "--maps", type=Path, nargs=2, metavar=("START", "RUN"), help="for figure 7"
            )
            for side in ("start", "run"):
                for part in ("train", "val", "cluster"):
                    command.add_argument(f"--{side}-{part}", type=Path, help="features folder")
        command.set_defaults(step=run)


def _footer(project: Project) -> Footer:
    from neco.report.cells import Footer

    command = f"snakemake --cores all --configfile config/{project.name}.yaml"
    if project.scenes is not None:
        scenes = project.scenes
        scale = (
            f"{scenes.train} training and {scenes.val} held-out generated scenes of "
            f"{scenes.width} x {scenes.height} pixels"
        )
    elif project.mirror is not None:
        scale = "the archives of a mirror, whole or cut: image counts stand beside every number"
        command += " --config mirror=..."
    else:
        scale = "the official archives"
    return Footer(project=project.name, scale=scale, command=command)


def _checked_project(chosen: argparse.Namespace) -> Project:
    """Return the project, sure that the metrics were measured with its settings."""
    from neco.report.measured import refuse_other_settings

    project = project_of(chosen)
    if chosen.metrics is not None:
        refuse_other_settings(chosen.metrics, project)
    return project


def _models(chosen: argparse.Namespace) -> None:
    from neco.report.describe import write_models

    print(write_models(project_of(chosen), chosen.runs, chosen.into))


def _table(chosen: argparse.Namespace) -> None:
    from neco.report.tables import write_table

    footer = _footer(_checked_project(chosen))
    for path in write_table(chosen.name, chosen.metrics, chosen.models, chosen.into, footer):
        print(path)


def _summary(chosen: argparse.Namespace) -> None:
    from neco.report.gains import build_summary
    from neco.report.measured import read_measured
    from neco.report.summary import print_summary, write_summary

    footer = _footer(_checked_project(chosen))
    write_summary(chosen.metrics, chosen.models, chosen.into, footer)
    print_summary(build_summary(read_measured(chosen.metrics, chosen.models), footer))


def _verify(chosen: argparse.Namespace) -> None:
    from neco.report.measured import read_measured
    from neco.report.reported import read_reported
    from neco.report.verify import print_claims, verify, write_verify

    footer = _footer(_checked_project(chosen))
    write_verify(chosen.metrics, chosen.models, chosen.into, footer)
    print_claims(verify(read_measured(chosen.metrics, chosen.models), read_reported()))


def _report(chosen: argparse.Namespace) -> None:
    from neco.report.html import write_report

    project = _checked_project(chosen)
    footer = _footer(project)
    runs = {
        name: [chosen.runs / f"{name}.seed{seed}" / "metrics.csv" for seed in run.seeds]
        for name, run in project.runs.items()
    }
    print(
        write_report(
            chosen.into, chosen.metrics, chosen.models, footer, figures=chosen.figures,
            tables=project.report.tables, runs=runs, config=chosen.config,
            rerun=[footer.command],
        )
    )  # fmt: skip


def _figure(chosen: argparse.Namespace) -> None:
    project = project_of(chosen)
    if chosen.name == "2":
        from neco.report.figure_2 import write_figure_2

        paths = write_figure_2(chosen.metrics, chosen.models, chosen.into, _footer(project))
    elif chosen.name == "7":
        paths = _segments(chosen, project)
    elif chosen.name in WITH_FEATURES:
        paths = _comparison(chosen, project)
    else:
        paths = _pictures(chosen, project)
    for path in paths:
        print(path)


def _pictures(chosen: argparse.Namespace, project: Project) -> list[Path]:
    """Draw Figure 1 (a batch through the method) or 3 (images and their labels)."""
    from neco.data.dataset import read_dataset

    if chosen.data is None:
        raise UserError(f"figure {chosen.name} needs --data: a prepared dataset")
    if chosen.name == "3":
        from neco.report.figure_3 import write_figure_3

        splits = project.datasets[project.report.dataset]
        dataset = read_dataset(chosen.data, splits.val)
        return write_figure_3(dataset, chosen.into, 2 * project.report.images)
    from neco.backbones.load import load_backbone
    from neco.report.figure_1 import write_figure_1

    pictured = project.pictured()
    if pictured is None:
        raise UserError("figure 1 shows a training; this configuration has no run")
    run = pictured[1].rpartition(".seed")[0]
    settings = project.training(run)
    backbone = load_backbone(pictured[0], chosen.weights)
    dataset = read_dataset(chosen.data, settings.split)
    return write_figure_1(backbone, dataset, settings, chosen.into)


def _segments(chosen: argparse.Namespace, project: Project) -> list[Path]:
    """Draw Figure 7 from what the unsupervised protocol predicted."""
    from neco.backbones.registry import backbone_spec
    from neco.data.dataset import read_dataset
    from neco.report.figure_7 import write_figure_7

    pictured = project.pictured()
    if pictured is None or chosen.data is None or chosen.maps is None:
        raise UserError("figure 7 compares a start with its run: give --data and --maps START RUN")
    asked = project.report
    run = project.runs[pictured[1].rpartition(".seed")[0]]
    names = (backbone_spec(pictured[0]).method, run.method)
    val = read_dataset(chosen.data, project.datasets[asked.dataset].val)
    models = list(zip(names, chosen.maps, strict=True))
    return write_figure_7(val, models, chosen.into, asked.images)


def _comparison(chosen: argparse.Namespace, project: Project) -> list[Path]:
    """Draw a figure that shows a start beside its NeCo run, from their features."""
    from neco.backbones.registry import backbone_spec
    from neco.data.dataset import read_dataset
    from neco.features import read_features
    from neco.report.nearest import write_figure_4, write_figure_5
    from neco.report.overlays import write_figure_6, write_overlays
    from neco.report.predictions import ModelFeatures

    pictured = project.pictured()
    needed = [chosen.data] + [
        getattr(chosen, f"{side}_{part}")
        for side in ("start", "run")
        for part in ("train", "val", "cluster")
    ]
    if pictured is None or None in needed:
        raise UserError(
            f"figure {chosen.name} compares a start with its run: give --data and the features "
            "--start-train, --start-val, --start-cluster, --run-train, --run-val, --run-cluster"
        )
    asked = project.report
    run = project.runs[pictured[1].rpartition(".seed")[0]]
    names = (backbone_spec(pictured[0]).method, run.method)
    start, after = (
        ModelFeatures(name, *(read_features(folder) for folder in folders))
        for name, folders in zip(names, (needed[1:4], needed[4:7]), strict=True)
    )
    splits = project.datasets[asked.dataset]
    train, val = (read_dataset(chosen.data, split) for split in (splits.train, splits.val))
    if chosen.name in ("4", "5"):
        write = write_figure_4 if chosen.name == "4" else write_figure_5
        return write(val, (names[0], start.val), (names[1], after.val), chosen.into)
    overcluster = project.settings_for("overcluster", asked.dataset, pictured[1])
    if chosen.name == "6":
        return write_figure_6(
            val, start, after, chosen.into,
            overcluster=overcluster, clusters=asked.clusters, images=asked.images,
        )  # fmt: skip
    in_context = project.settings_for("in-context", asked.dataset, pictured[1])
    return write_overlays(
        train, val, start, after, chosen.into, in_context=in_context,
        overcluster=overcluster, clusters=asked.clusters, images=asked.images,
    )  # fmt: skip
