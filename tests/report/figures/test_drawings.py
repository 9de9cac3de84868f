"""Every figure through its line in the registry, by the command that the workflow calls."""

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import yaml

from neco.cli import main
from neco.config.reporting import Figure
from neco.data.dataset import Dataset
from neco.features import Features
from neco.identity import array_digest
from neco.paper.figures import FIGURES

Extract = Callable[[Dataset, float], Features]
PROJECT = {
    "name": "test",
    "datasets": {"pascal-voc": {}},
    "train": {
        "dataset": "pascal-voc",
        "crops": {"global_size": 32, "local_size": 16},
        "loss": {"references": {"count": 16}},
    },
    "runs": {"neco": {"backbone": "demo-vit"}},
    "evaluations": [{"protocol": "overcluster", "datasets": ["pascal-voc"]}],
    "in_context": {"image_size": 64, "memory_size": 500, "neighbours": 5},
    "overcluster": {"image_size": 64, "iterations": 5, "redos": 1, "seeds": [0]},
    "report": {"images": 3, "clusters": 5},
}


@pytest.fixture
def arguments(
    scenes: tuple[Dataset, Dataset], features: Extract, tmp_path: Path
) -> dict[str, list[str]]:
    """Return the arguments of what figures are made from, by their names, as files on disk."""
    (tmp_path / "project.yaml").write_text(yaml.safe_dump(PROJECT))
    train, val = scenes
    given = {"data": [str(tmp_path / "prepared" / "pascal-voc")]}
    for side, noise in (("start", 0.5), ("run", 0.01)):
        for part, split in (("train", train), ("val", val), ("cluster", val)):
            folder = tmp_path / f"{side}-{part}"
            folder.mkdir()
            found = features(split, noise)
            np.save(folder / "features.npy", found.tokens)
            about = {**found.about, "ids": found.ids, "model_digest": side}
            about |= {"dim": found.tokens.shape[-1], "digest": array_digest(found.tokens)[:12]}
            about["dataset_digest"] = split.digest()
            (folder / "about.json").write_text(json.dumps(about))
            given[f"{side}_{part}"] = [str(folder)]
    maps = tmp_path / "maps.npz"
    np.savez(maps, classes=np.ones((len(val), 10, 10), np.uint8))
    return given | {"maps": [str(maps), str(maps)]}


def command(name: str, folder: Path, arguments: dict[str, list[str]], *without: str) -> list[str]:
    drawing = FIGURES[name]
    needed = [need for need in drawing.needs if need in arguments]
    if drawing.images != "none":
        needed.append("data")
    found = ["figure", name, "--config", str(folder / "project.yaml"), "--into", str(folder)]
    for need in needed:
        if need not in without:
            found += ["--" + need.replace("_", "-"), *arguments[need]]
    return [*found, "--metrics", str(folder / "metrics")]


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_drawn_from_what_its_record_names_and_no_more(
    name: str, arguments: dict[str, list[str]], tmp_path: Path
) -> None:
    assert main(command(name, tmp_path, arguments)) == 0
    for suffix in ("png", "pdf"):
        assert (tmp_path / f"{FIGURES[name].stem}.{suffix}").stat().st_size > 2000


@pytest.mark.parametrize(("name", "without"), [("4", "run_val"), ("7", "maps"), ("3", "data")])
def test_what_is_missing_is_named(
    name: str, without: str, arguments: dict[str, list[str]], tmp_path: Path, capsys
) -> None:
    assert main(command(name, tmp_path, arguments, without)) == 1
    assert f"figure {name} needs --{without.replace('_', '-')}" in capsys.readouterr().err


def test_the_registry_has_every_figure_and_a_function_for_each() -> None:
    assert set(FIGURES) == set(Figure.__args__)  # type: ignore[attr-defined]
    for drawing in FIGURES.values():
        module, _, function = drawing.drawn_by.partition(".")
        assert callable(getattr(import_module(f"neco.report.figures.{module}"), function))
