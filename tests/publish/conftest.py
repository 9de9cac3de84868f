"""A small finished project: one backbone, two training seeds, two protocols; and a repository."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.numpy import save_file

from neco.backbones.load import weights_digest
from neco.config import Project
from neco.config.base import validated
from neco.evaluate.conditions import Conditions
from neco.evaluate.result import Metrics, Result, summarise, write_result
from neco.report.scores.models import write_models

ROOT = Path(__file__).parents[2]
MODELS = {"demo-vit": 10.0, "neco.seed0": 14.0, "neco.seed1": 15.0}
SETTINGS = {"in-context": ("1/1", "1/8"), "linear": ("",)}


def write_project(results: Path, **more: object) -> Project:
    """Write what a workflow leaves of a small project. mIoU: see MODELS, less 1 per setting."""
    values = {
        "name": "small",
        "datasets": {"pascal-voc": {}},
        "runs": {"neco": {"backbone": "demo-vit", "seeds": [0, 1]}},
        "evaluations": [{"protocol": name, "datasets": ["pascal-voc"]} for name in SETTINGS],
    }
    project = validated(Project, values | more, "test")
    results.mkdir(parents=True)
    (results / "project.yaml").write_text(yaml.safe_dump(project.model_dump(mode="json")))
    for name in ("tables/summary.md", "figures/figure-2.png", "report/report.html", "logs/a.log"):
        (results / name).parent.mkdir(exist_ok=True)
        (results / name).write_text(f"{name}\n")
    for seed in (0, 1):
        folder = results / "runs" / f"neco.seed{seed}"
        folder.mkdir(parents=True)
        save_file({"weight": np.full(1000, seed, np.float32)}, folder / "backbone.safetensors")
        (folder / "metrics.csv").write_text("step,excess,rank\n0,1.5,9\n1,1.0,8\n")
        (folder / "training.json").write_text(json.dumps({"images": 4, "steps": 2, "seconds": 1}))
        (folder / "checkpoint.ckpt").write_bytes(b"to continue from")
    for protocol in SETTINGS:
        for model in MODELS:
            write_metrics(results, protocol, model)
    write_models(project, results / "runs", results / "models.json")
    return project


def write_metrics(results: Path, protocol: str, model: str, commit: str | None = "abc") -> None:
    """Write one metrics file; a trained model's states the digest of its checkpoint."""
    checkpoint = results / "runs" / model / "backbone.safetensors"
    found = [
        Result(
            setting=setting, seed=0, mIoU=MODELS[model] - place,
            per_class_iou={"cat": MODELS[model] + 1, "dog": MODELS[model] - 1, "cow": None},
        )
        for place, setting in enumerate(SETTINGS[protocol])
    ]  # fmt: skip
    conditions = Conditions(
        class_set=["cat", "dog", "cow"], mask_resolution="full", input_size=16, grid=[1, 1],
        val_split="val", val_images=2, seeds=[0], config_digest="0" * 12, packages={},
        device="cpu", wall_seconds=1.0, git_commit=commit,
        weights_digest=weights_digest(checkpoint) if checkpoint.exists() else None,
    )  # fmt: skip
    metrics = Metrics(
        protocol=protocol, dataset="pascal-voc", model=model, mIoU=MODELS[model],
        headline=SETTINGS[protocol][0], results=found, summary=summarise(found), settings={},
        conditions=conditions,
    )  # fmt: skip
    write_result(results / "metrics" / protocol / "pascal-voc" / f"{model}.json", metrics)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    write_project(tmp_path / "results" / "small")
    return tmp_path / "results" / "small"


def new_repository(folder: Path) -> Path:
    """Return a repository with this one's DVC configuration and nothing published."""
    left_out = shutil.ignore_patterns("cache", "tmp", "config.local")
    shutil.copytree(ROOT / ".dvc", folder / ".dvc", ignore=left_out)
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    return folder


def git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run git in a folder, as nobody in particular."""
    author = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    command = ["git", "-C", str(folder), *author, *arguments]
    return subprocess.run(command, capture_output=True, text=True)
