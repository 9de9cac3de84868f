"""Write models.json: what the configuration and the registry say of every model."""

import json
from pathlib import Path
from typing import Any

from neco.backbones.registry import backbone_spec, file_stem
from neco.config import Project
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
                    label=spec.label, params=params, start=spec.start,
                )
            )  # fmt: skip
            continue
        asked = project.runs[run]
        models.append(
            Model(
                model=name, kind="run", run=run, seed=seed, method=asked.method, label=spec.label,
                start=backbone, start_method=spec.method, params=params, ablations=asked.ablations,
                training=_training(runs / name / "training.json", project.training(run)),
            )
        )  # fmt: skip
    return models


def _training(path: Path, settings: Any) -> dict[str, Any]:
    """Return dataset, epochs and batch size as asked; images, hours and device as measured.

    `hours` and `epoch_minutes` pass on the clock, over all starts of the training; `gpu_hours` are
    those of every process (each has one GPU).
    """
    known = {
        "dataset": settings.dataset,
        "epochs": settings.epochs if settings.steps is None else None,
        "steps": settings.steps,
        "batch_size": settings.batch_size,
    }
    if path.exists():
        measured = json.loads(path.read_text())
        hours, processes = measured["seconds"] / 3600, measured.get("processes", 1)
        passes = measured["steps"] * settings.batch_size / measured["images"]
        known |= {
            "images": measured["images"],
            "hours": round(hours, 4),
            "gpu_hours": round(hours * processes, 4),
            "epoch_minutes": round(60 * hours / passes, 4),
            "starts": measured.get("starts"),
            "device": _device(measured, processes),
        }
    return known


def _device(measured: dict[str, Any], processes: int) -> str:
    """Return what trained, in words: `4 x NVIDIA H100 80GB HBM3`, `CPU` where it has no name.

    Trainings of earlier versions recorded no name, only PyTorch's `cpu` or `cuda:0`.
    """
    kind = str(measured.get("device", "")).partition(":")[0]
    unnamed = {"cpu": "CPU", "cuda": "GPU"}.get(kind, "this project's hardware")
    name = measured.get("device_name") or unnamed
    return f"{processes} x {name}" if processes > 1 else str(name)


def write_models(project: Project, runs: Path, into: Path) -> Path:
    """Write models.json and return its path."""
    models = [model.model_dump(mode="json") for model in describe_models(project, runs)]
    into.parent.mkdir(parents=True, exist_ok=True)
    into.write_text(json.dumps(models, indent=1) + "\n")
    return into
