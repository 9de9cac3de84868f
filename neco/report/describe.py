"""Write models.json: what the configuration and the registry say of every model."""

import json
from pathlib import Path
from typing import Any

from neco.backbones.registry import backbone_spec, file_stem
from neco.config import Project
from neco.files import write_json
from neco.report.models import Model

PARAMS = {"ViT-S": "21M", "ViT-B": "85M"}
"""As the paper's tables round them."""


def describe_models(project: Project, runs: Path) -> list[Model]:
    """Return every model of a project; `runs` holds <run>.seed<n>/training.json of trained runs."""
    models = []
    for name, (backbone, run, seed) in project.models().items():
        spec = backbone_spec(backbone)
        params = PARAMS.get(spec.label[:5], "")
        if run is None:
            models.append(
                Model(
                    model=file_stem(name), kind="backbone", method=spec.method,
                    label=spec.label, params=params,
                )
            )  # fmt: skip
            continue
        asked = project.runs[run]
        models.append(
            Model(
                model=name, kind="run", run=run, seed=seed, method=asked.method, label=spec.label,
                start=backbone, params=params, ablations=asked.ablations,
                training=_training(runs / name / "training.json", project.training(run)),
            )
        )  # fmt: skip
    return models


def _training(path: Path, settings: Any) -> dict[str, Any]:
    """Return dataset, epochs and batch size as asked; images and hours as measured."""
    known = {
        "dataset": settings.dataset,
        "epochs": settings.epochs if settings.steps is None else None,
        "steps": settings.steps,
        "batch_size": settings.batch_size,
    }
    if path.exists():
        measured = json.loads(path.read_text())
        known |= {"images": measured["images"], "hours": round(measured["seconds"] / 3600, 4)}
        passes = measured["steps"] * settings.batch_size / measured["images"]
        known["epoch_minutes"] = round(measured["seconds"] / 60 / passes, 4)
    return known


def write_models(project: Project, runs: Path, into: Path) -> Path:
    """Write models.json and return its path."""
    models = [model.model_dump(mode="json") for model in describe_models(project, runs)]
    write_json(into, models)
    return into
