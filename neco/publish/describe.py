"""The repository's dvc.yaml: a project's published files come in, what they are comes out.

They are artifacts, metrics or plots. There are no stages, because Snakemake executes. Names and
titles begin with the project's name.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from neco.backbones.load import weights_digest
from neco.backbones.registry import backbone_spec, file_stem
from neco.config import Project, digest
from neco.evaluate.result import Metrics
from neco.publish.scores import stem_of
from neco.publish.select import WEIGHTS_PATH, published_weights, trained_models
from neco.report.scores.groups import slug
from neco.run_files import METRICS

OPENING = """\
# Written by `snakemake publish` (docs/publishing.md). No stages: Snakemake executes.
"""
CURVES = {
    "excess": "Training: loss above its entropy floor",
    "head_rank": "Training: effective rank of the aligned features",
    "backbone_rank": "Training: effective rank of the backbone's tokens",
    "information": "Training: what the targets say",
}
"""Columns of a training's metrics.csv that are plotted."""
SCORES, PLOTS = "scores", "plots"
Drawn = Mapping[tuple[str, str, str], Sequence[str]]
"""What `write_comparisons` returns: groups by (protocol, dataset, headline setting)."""


def describe(
    before: Path, project: Project, folder: Path, metrics: Sequence[Metrics], drawn: Drawn
) -> str:
    """Return dvc.yaml with the published files in `folder` in place of what `before` says of them.

    before: the dvc.yaml at the repository's root, which need not exist. What it says of other
    projects is kept.
    """
    place = f"{folder.parent.name}/{folder.name}/"
    kept = yaml.safe_load(before.read_text()) if before.exists() else {}
    plots = [*_curves(project, place), *_comparisons(project, drawn, place)]
    content = {
        "artifacts": {
            name: artifact
            for name, artifact in kept.get("artifacts", {}).items()
            if not artifact["path"].startswith(place)
        }
        | _artifacts(project, folder, metrics, place),
        "metrics": [*_elsewhere(kept.get("metrics", []), place), place + SCORES],
        "plots": [*_elsewhere(kept.get("plots", []), place), *plots, *_figures(folder, place)],
    }
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
    return OPENING + text


def _elsewhere(entries: list[Any], place: str) -> list[Any]:
    """Return the metrics or plots whose files do not lie in `place`."""

    def first_file(entry: Any) -> str:
        if isinstance(entry, str):
            return entry
        (plot,) = entry.values()
        return str(next(iter(plot["y"])))

    return [entry for entry in entries if not first_file(entry).startswith(place)]


def _artifacts(
    project: Project, folder: Path, metrics: Sequence[Metrics], place: str
) -> dict[str, Any]:
    """Return an artifact for each model's weights and for the report.

    `meta` says where weights come from.
    """
    commits = sorted({str(one.conditions.git_commit) for one in metrics})
    source = {"configuration": digest(project), "evaluated_at": ", ".join(commits)}
    artifacts: dict[str, Any] = {}
    for model, start in published_weights(project).items():
        run, _, seed = model.rpartition(".seed")
        path = WEIGHTS_PATH.format(model=file_stem(model))
        spec = backbone_spec(start)
        artifacts[f"{project.name}-{slug(model)}"] = {
            "path": place + path,
            "type": "model",
            "desc": f"{project.runs[run].method} from {start}, training seed {seed}; a timm state "
            f"dict of {spec.architecture}, {spec.image_size} pixels",
            "labels": ["backbone", project.name],
            "meta": {"sha256": weights_digest(folder / path), **source},
        }
    report = {"path": f"{place}report/report.html", "type": "report", "labels": [project.name]}
    described = {**report, "desc": "Tables and figures in one file"}
    return artifacts | {f"{project.name}-report": described}


def _curves(project: Project, place: str) -> list[dict[str, Any]]:
    files = [f"{place}runs/{model}/{METRICS}" for model in trained_models(project)]
    return [
        _plot(
            f"{project.name}: {title}",
            "lines",
            x="step",
            y=dict.fromkeys(files, column),
            label=column,
        )
        for column, title in CURVES.items()
        if files
    ]


def _comparisons(project: Project, drawn: Drawn, place: str) -> list[dict[str, Any]]:
    plots = []
    for (protocol, dataset, headline), groups in drawn.items():
        stem = f"{place}{PLOTS}/{stem_of(protocol, dataset, headline)}"
        name = f"{protocol} {headline}".strip() + f", {dataset}"
        for kind, measure, columns in (("model", "mIoU", "mIoU"), ("class", "IoU", list(groups))):
            y = {f"{stem}.{kind}.csv": columns}
            title, label = f"{project.name}: {name}, by {kind}", f"{measure} in percent"
            plots.append(_plot(title, "dots", x=kind, y=y, label=label))
    return plots


def _plot(title: str, template: str, *, x: str, y: dict[str, Any], label: str) -> dict[str, Any]:
    values = {"title": title, "template": template, "x": x, "y": y}
    return {title: {**values, "x_label": x, "y_label": label}}


def _figures(folder: Path, place: str) -> list[str]:
    return [place + str(path.relative_to(folder)) for path in sorted(folder.glob("figures/*.png"))]
