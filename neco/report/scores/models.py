"""models.json: what the configuration and the registry say of every model of a project.

It is a list of Model; `kind` is `backbone` (as it is) or `run` (one training seed).
"""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from neco.backbones.registry import file_stem, named
from neco.config import Project
from neco.config.training import Train
from neco.errors import UserError, first_line
from neco.files import write_json
from neco.paper.conditions import PARAMS
from neco.run_files import ABOUT


class Model(BaseModel):
    """One trained or frozen model, as the workflow describes it."""

    model_config = ConfigDict(extra="ignore", use_attribute_docstrings=True)

    model: str
    """Stem of its metrics files: a backbone's name, or `<run>.seed<n>`."""
    kind: Literal["backbone", "run"]
    run: str | None = None
    seed: int | None = None
    method: str
    label: str = ""
    """Architecture as the paper writes it: ViT-S/14."""
    start: str | None = None
    """Registry name of the backbone that a run or a released student started from."""
    start_method: str | None = None
    """That backbone's method, whether or not the project evaluates it."""
    params: str = ""
    ablations: list[str] = []
    """Cells of the ablation tables that this run is for: `5a/foreground`, `9a/all`."""
    training: dict[str, Any] = {}
    """What is known of its training: dataset, images, epochs, batch_size; hours, gpu_hours,
    epoch_minutes, starts (all starts together) and device."""


def describe_models(project: Project, runs: Path | None = None) -> list[Model]:
    """Return every model of a project.

    runs: the folder with <run>.seed<n>/training.json of the trainings that are finished. Without
    it, nothing is said about trainings.
    """
    models = []
    for name, (backbone, run, seed) in project.models().items():
        spec = named(backbone)
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
                training=_training(runs / name / ABOUT, project.training(run))
                if runs
                else {},
            )
        )  # fmt: skip
    return models


def _training(path: Path, settings: Train) -> dict[str, Any]:
    """Return dataset, epochs and batch size as asked, and images, hours and device as measured.

    `hours` and `epoch_minutes` are wall time over all starts of the training. `gpu_hours` are the
    hours of all processes, each of which has one GPU.
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
    """Return in words which device trained: `4 x NVIDIA H100 80GB HBM3`, or `CPU` without a name.

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
    write_json(into, models)
    return into


def read_models(path: Path) -> list[Model]:
    """Return the models of models.json in its order. Raises UserError where it is malformed."""
    try:
        return [Model.model_validate(item) for item in json.loads(path.read_text())]
    except FileNotFoundError:
        raise UserError(f"{path}: no such list of models; run the workflow's models rule") from None
    except (ValidationError, json.JSONDecodeError, TypeError) as error:
        raise UserError(
            f"{path}: not a list of models ({first_line(error)}); delete it and run the "
            "workflow's models rule again"
        ) from None
