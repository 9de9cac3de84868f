"""A small project on disk: metrics of known value, from which every expectation is computed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from neco.data.dataset import Dataset, read_dataset
from neco.evaluate.conditions import Conditions
from neco.evaluate.result import Metrics, Result, summarise, write_result
from neco.features import Features

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


@pytest.fixture
def scenes(tmp_path: Path) -> tuple[Dataset, Dataset]:
    """A training and a held-out split of 12 images each: squares of two classes on background."""
    folder = tmp_path / "prepared" / "pascal-voc"
    (folder / "masks").mkdir(parents=True)
    random = np.random.default_rng(0)
    rows = []
    for number in range(24):
        split = "train" if number < 12 else "val"
        mask = np.zeros((48, 64), np.uint8)
        mask[4:28, 4:28], mask[16:44, 36:60] = 1, 2
        mask[0] = 255
        colours = np.array([[40, 40, 40], [200, 60, 60], [60, 60, 200]] + [[0, 0, 0]] * 253)
        pixels = colours[mask] + random.integers(0, 40, (*mask.shape, 3))
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{number}.png")
        rows.append(f"{number},{number}.png,masks/{number}.png,{split}")
    (folder / "index.csv").write_text("id,image,mask,split\n" + "\n".join(rows) + "\n")
    description = {"dataset": "pascal-voc", "classes": ["background", "cat", "dog"]}
    (folder / "classes.json").write_text(json.dumps({**description, "background": True}))
    return read_dataset(folder, "train"), read_dataset(folder, "val")


@pytest.fixture
def features(scenes: tuple[Dataset, Dataset]) -> Callable[[Dataset, float], Features]:
    """Features of a split: mean colours of 8-pixel patches at side 64, plus noise."""

    def extract(dataset: Dataset, noise: float) -> Features:
        random = np.random.default_rng(1)
        images = [item.read_image().resize((64, 64)) for item in dataset.items]
        pixels = np.stack([np.asarray(image) for image in images]) / 255.0
        cells = pixels.reshape(len(images), 8, 8, 8, 8, 3).mean(axis=(2, 4))
        tokens = np.concatenate([cells - 0.3, 0.1 * np.ones_like(cells[..., :1])], axis=-1)
        tokens = tokens + noise * random.normal(size=tokens.shape)
        about = {"image_size": 64, "patch_size": 8, "grid": [8, 8], "dataset": dataset.name}
        about["split"] = dataset.split
        return Features(tokens.astype(np.float32), [item.id for item in dataset.items], about)

    return extract
