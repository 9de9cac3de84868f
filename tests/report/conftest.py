"""A small project on disk: metrics of known value, from which every expectation is computed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from neco.evaluate.conditions import Conditions
from neco.evaluate.result import Metrics, Result, summarise, write_result

Write = Callable[..., None]


def write_metrics(
    root: Path, model: str, protocol: str, dataset: str, values: dict[str, list[float]], **more: Any
) -> None:
    """Write one metrics file with `values` (setting -> mIoU of each evaluation seed)."""
    results = [
        Result(setting=setting, seed=seed, mIoU=value, per_class_iou={"sky": value})
        for setting, numbers in values.items()
        for seed, value in enumerate(numbers)
    ]
    summary = summarise(results)
    headline = next(iter(values))
    conditions = Conditions(
        class_set=["sky"],
        mask_resolution="full",
        input_size=518,
        grid=[37, 37],
        val_split="val",
        val_images=more.get("val_images", {"pascal-voc": 1449, "ade20k": 2000}.get(dataset, 5000)),
        train_images=more.get("train_images"),
        seeds=[0],
        config_digest="0" * 12,
        packages={},
        device="cpu",
        wall_seconds=1.0,
        git_commit=more.get("commit", "abc123"),
    )
    metrics = Metrics(
        protocol=protocol,  # type: ignore[arg-type]
        dataset=dataset,
        model=model,
        mIoU=summary[headline].mIoU,
        headline=headline,
        results=results,
        summary=summary,
        settings=more.get("settings", {}),
        conditions=conditions,
    )
    write_result(root / "metrics" / protocol / dataset / f"{model}.json", metrics)


def backbone(name: str, method: str, label: str = "ViT-S/14", **more: Any) -> dict[str, Any]:
    return {"model": name, "kind": "backbone", "method": method, "label": label, **more}


def run(name: str, seed: int, start: str, label: str = "ViT-S/14", **more: Any) -> dict[str, Any]:
    entry = {"model": f"{name}.seed{seed}", "kind": "run", "run": name, "seed": seed}
    return {**entry, "method": "NeCo", "label": label, "start": start, **more}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with models.json: DINOv2R, three seeds of NeCo on it, DINO, and patch colours."""
    models = [
        backbone("patch-colours", "Patch colours", ""),
        backbone("dino-vits16", "DINO", "ViT-S/16"),
        backbone("dinov2r-vits14", "DINOv2R"),
        *(run("main", seed, "dinov2r-vits14") for seed in range(3)),
    ]
    (tmp_path / "models.json").write_text(json.dumps(models))
    return tmp_path


@pytest.fixture
def write() -> Write:
    return write_metrics
