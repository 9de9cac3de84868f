"""dvc.yaml of a published project: what is a checkpoint, a metric, a plot. No stages."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from neco.backbones.load import weights_digest
from neco.backbones.registry import backbone_spec, file_stem
from neco.config import Project, digest
from neco.evaluate.result import Metrics
from neco.publish.scores import stem_of
from neco.publish.select import CHECKPOINT, published_checkpoints, trained_models
from neco.report.groups import slug

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


def describe(project: Project, folder: Path, metrics: Sequence[Metrics], drawn: Drawn) -> str:
    """Return dvc.yaml for the published files in `folder`."""
    content = {
        "artifacts": _artifacts(project, folder, metrics),
        "metrics": [SCORES],
        "plots": [*_curves(project), *_comparisons(drawn), *_figures(folder)],
    }
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
    return OPENING + text


def _artifacts(project: Project, folder: Path, metrics: Sequence[Metrics]) -> dict[str, Any]:
    """Return one artifact per checkpoint, and the report; `meta` says where they come from."""
    commits = sorted({str(one.conditions.git_commit) for one in metrics})
    source = {"configuration": digest(project), "evaluated_at": ", ".join(commits)}
    artifacts: dict[str, Any] = {}
    for model, start in published_checkpoints(project).items():
        run, _, seed = model.rpartition(".seed")
        path = CHECKPOINT.format(model=file_stem(model))
        spec = backbone_spec(start)
        artifacts[slug(model)] = {
            "path": path,
            "type": "model",
            "desc": f"{project.runs[run].method} from {start}, training seed {seed}; a timm state "
            f"dict of {spec.architecture}, {spec.image_size} pixels",
            "labels": ["backbone", project.name],
            "meta": {"sha256": weights_digest(folder / path), **source},
        }
    report = {"path": "report/report.html", "type": "report", "labels": [project.name]}
    return artifacts | {"report": {**report, "desc": "Tables and figures in one file"}}


def _curves(project: Project) -> list[dict[str, Any]]:
    files = [f"runs/{model}/metrics.csv" for model in trained_models(project)]
    return [
        _plot(title, "lines", x="step", y=dict.fromkeys(files, column), label=column)
        for column, title in CURVES.items()
        if files
    ]


def _comparisons(drawn: Drawn) -> list[dict[str, Any]]:
    plots = []
    for (protocol, dataset, headline), groups in drawn.items():
        stem = f"{PLOTS}/{stem_of(protocol, dataset, headline)}"
        name = f"{protocol} {headline}".strip() + f", {dataset}"
        for kind, measure, columns in (("model", "mIoU", "mIoU"), ("class", "IoU", list(groups))):
            y = {f"{stem}.{kind}.csv": columns}
            title, label = f"{name}, by {kind}", f"{measure} in percent"
            plots.append(_plot(title, "dots", x=kind, y=y, label=label))
    return plots


def _plot(title: str, template: str, *, x: str, y: dict[str, Any], label: str) -> dict[str, Any]:
    values = {"title": title, "template": template, "x": x, "y": y}
    return {title: {**values, "x_label": x, "y_label": label}}


def _figures(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in sorted(folder.glob("figures/*.png"))]
