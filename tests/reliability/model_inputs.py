"""Weights, checkpoints of a training, features and results."""

import argparse
import csv
import json
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from neco.features import read_features
from tests.reliability.damage import CUT, FOREIGN, copied, flipped
from tests.reliability.inputs import ALL, EQUAL, LINE, WITHOUT_DIGEST, Case, spoiled
from tests.reliability.world import World, call

State = dict[str, torch.Tensor]


def cases() -> Iterator[Case]:
    """Yield every case of models and results."""
    yield from weights()
    yield from nestings()
    yield from checkpoints()
    yield from features()
    yield from results()


class Fake:
    """An object that only its writer has."""


def same_features(world: World, folder: Path) -> bool:
    """Whether the features are those of the undamaged weights."""
    found, wanted = read_features(folder / "out"), read_features(world.features("val"))
    return np.array_equal(found.tokens, wanted.tokens) and found.ids == wanted.ids


def weights() -> Iterator[Case]:
    """Yield weights that are damaged, in both formats."""
    for suffix, write in ((".safetensors", save_file), (".pth", torch.save)):

        def make(
            world: World, folder: Path, suffix: str = suffix, write: Callable = write
        ) -> tuple[Path, list[object]]:
            path = folder / f"own{suffix}"
            write(load_file(world.weights), path)
            return path, world.extract(folder / "out", weights=path)

        yield from spoiled(f"weights {suffix}", WITHOUT_DIGEST, make)


def _with(change: Callable[[State], object]) -> Callable[[World, Path], list[object]]:
    def prepare(world: World, folder: Path) -> list[object]:
        path = folder / "own.pth"
        torch.save(change(load_file(world.weights)), path)
        return world.extract(folder / "out", weights=path)

    return prepare


def _before(prefix: str) -> Callable[[State], State]:
    return lambda state: {prefix + name: value for name, value in state.items()}


def _one(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[State], State]:
    name = "blocks.0.attn.qkv.weight"
    return lambda state: {**state, name: change(state[name])}


def nestings() -> Iterator[Case]:
    """Yield weights as people store them, and weights that are of something else."""
    head = {"dino_head.mlp.0.weight": torch.zeros(4, 4)}
    for name, change in {
        "as they are": lambda s: s,
        "ordered": OrderedDict,
        "DDP": _before("module."),
        "compiled": _before("_orig_mod."),
        "DDP and compiled": _before("module._orig_mod."),
        "backbone.": _before("backbone."),
        "model and epoch": lambda s: {"model": s, "epoch": 3},
        "state_dict and optimizer": lambda s: {
            "state_dict": _before("module.")(s), "optimizer": {"state": {}, "param_groups": []}
        },
        "a teacher with a head": lambda s: {"teacher": {**_before("backbone.")(s), **head}},
        "parameters": lambda s: {k: torch.nn.Parameter(v) for k, v in s.items()},
        "with a namespace": lambda s: {"model": s, "args": argparse.Namespace(lr=1e-3)},
        "with a NumPy number": lambda s: {"model": s, "acc": np.float64(0.5)},
        "with a path": lambda s: {"model": s, "out": Path("/x")},
        "with a head": lambda s: {
            **s, "head.weight": torch.zeros(9, 4), "head.bias": torch.zeros(9)
        },
    }.items():  # fmt: skip
        yield Case("nesting", name, _with(change), EQUAL, same_features)
    for name, change in {
        "not a number": _one(lambda t: torch.full_like(t, float("nan"))),
        "infinite": _one(lambda t: t / 0),
        "another shape": _one(lambda t: t[:-1]),
        "whole numbers": _one(lambda t: t.int()),
        "one is missing": lambda s: {k: v for k, v in s.items() if "blocks.0.attn" not in k},
        "a layer too many": lambda s: {**s, "blocks.77.attn.qkv.weight": torch.zeros(3, 3)},
        "other names": lambda s: {k.replace("blocks.", "encoder.layer."): v for k, v in s.items()},
        "nothing": lambda s: {},
        "a list": lambda s: list(s.values()),
        "a number": lambda s: 3,
        "a tensor": lambda s: torch.zeros(3),
        "an object": lambda s: {"model": s, "cfg": Fake()},
        "nested twice": lambda s: {"a": {"b": {"c": 3}}},
        "a module": lambda s: torch.nn.Linear(2, 2),
    }.items():
        yield Case("nesting", name, _with(change), LINE)


_STOPPED: dict[Path, Path] = {}


def _stopped_run(world: World) -> Path:
    """Return a training with two checkpoints, stopped before its last step."""
    if world.root not in _STOPPED:
        run = world.root / "stopped"
        from neco.training import checkpoint, loop

        save, saved = loop.save_checkpoint, []

        def stop_after_two(*arguments: object) -> None:
            save(*arguments)
            saved.append(arguments)
            if len(saved) == 2:
                raise KeyboardInterrupt

        loop.save_checkpoint = stop_after_two
        try:
            assert call(*world.train(run)).status == 130
        finally:
            loop.save_checkpoint = save
        assert checkpoint.previous_of(run / "checkpoint.ckpt").exists()
        _STOPPED[world.root] = run
    return _STOPPED[world.root]


def _as_uninterrupted(world: World, folder: Path) -> bool:
    whole = world.root / "run"
    if not whole.exists():
        assert call(*world.train(whole)).status == 0
    name = "backbone.safetensors"
    alike = (folder / "run" / name).read_bytes() == (whole / name).read_bytes()
    rows = [
        [row["loss"] for row in csv.DictReader((place / "metrics.csv").open(newline=""))]
        for place in (folder / "run", whole)
    ]
    return alike and rows[0] == rows[1]


def checkpoints() -> Iterator[Case]:
    """Yield damaged checkpoints: the one before is continued; where both are damaged, one line."""
    damages = tuple(how for how in ALL if how not in ("a folder", "a link to itself"))

    def newest(world: World, folder: Path) -> tuple[Path, list[object]]:
        run = copied(_stopped_run(world), folder / "run")
        return run / "checkpoint.ckpt", world.train(run)

    yield from spoiled("checkpoint", damages, newest, EQUAL, equal=_as_uninterrupted)

    def partial(world: World, folder: Path) -> tuple[Path, list[object]]:
        run = copied(_stopped_run(world), folder / "run")
        return run / "metrics.partial", world.train(run)

    hows = (*CUT, *FOREIGN, "missing", "a bit flipped in the middle")
    yield from spoiled("metrics.partial", hows, partial, EQUAL, equal=_as_uninterrupted)

    def both(world: World, folder: Path, how: str) -> list[object]:
        run = copied(_stopped_run(world), folder / "run")
        for name in ("checkpoint.ckpt", "checkpoint.previous.ckpt"):
            path = run / name
            path.write_bytes({**CUT, **FOREIGN, "a bit": flipped(0.5)}[how](path.read_bytes()))
        return world.train(run)

    for how in ("half", "a web page", "noise", "a bit", "empty"):
        yield Case("both checkpoints", how, lambda w, f, how=how: both(w, f, how), LINE)
    for name, more in {
        "another seed": ["train.seed=7"],
        "another batch size": ["train.batch_size=5"],
        "another head": ["train.head.output=5"],
        "more steps": ["train.steps=4"],
        "another teacher": ["train.teacher.momentum=0.5"],
    }.items():

        def other(world: World, folder: Path, more: list[str] = more) -> list[object]:
            return world.train(copied(_stopped_run(world), folder / "run"), *more)

        yield Case("checkpoint of another training", name, other, LINE)

    def other_images(world: World, folder: Path) -> list[object]:
        data = copied(world.data, folder / "data")
        lines = (data / "index.csv").read_text().splitlines()
        lines = [line for line in lines if not line.startswith("000,")]
        (data / "index.csv").write_text("\n".join(lines) + "\n")
        return world.train(copied(_stopped_run(world), folder / "run"), data=data)

    yield Case("checkpoint of another training", "other images", other_images, LINE)

    def foreign(world: World, folder: Path) -> list[object]:
        run = folder / "run"
        run.mkdir()
        torch.save({"epoch": 3, "state_dict": {}}, run / "checkpoint.ckpt")
        return world.train(run)

    yield Case("checkpoint", "of another program", foreign, LINE)


def features() -> Iterator[Case]:
    """Yield features that were damaged or do not belong together, where they are evaluated."""
    for name in ("features.npy", "about.json"):

        def make(world: World, folder: Path, name: str = name) -> tuple[Path, list[object]]:
            val = copied(world.features("val"), folder / "val")
            return val / name, world.evaluate(folder / "out.json", val=val)

        yield from spoiled(name, WITHOUT_DIGEST if name == "about.json" else ALL, make)
    for key, value in {
        "model_digest": "0" * 16, "dataset_digest": "0" * 64, "image_size": 32, "grid": [4, 4],
        "dim": 3, "digest": "0" * 12, "ids": ["004"],
    }.items():  # fmt: skip

        def edited(
            world: World, folder: Path, key: str = key, value: object = value
        ) -> list[object]:
            val = copied(world.features("val"), folder / "val")
            about = json.loads((val / "about.json").read_text()) | {key: value}
            (val / "about.json").write_text(json.dumps(about))
            return world.evaluate(folder / "out.json", val=val)

        yield Case("about.json", f"another {key}", edited, LINE)
        if key != "ids":

            def without(world: World, folder: Path, key: str = key) -> list[object]:
                val = copied(world.features("val"), folder / "val")
                about = json.loads((val / "about.json").read_text())
                del about[key]
                (val / "about.json").write_text(json.dumps(about))
                return world.evaluate(folder / "out.json", val=val)

            yield Case("about.json", f"without {key}", without, LINE)

    def swapped(world: World, folder: Path) -> list[object]:
        return world.evaluate(
            folder / "out.json", train=world.features("val"), val=world.features("train")
        )

    yield Case("features", "of the other split", swapped, LINE)

    def of_another_model(world: World, folder: Path) -> list[object]:
        command = world.extract(folder / "val")
        command[command.index("demo-vit", 4)] = "demo-vit-random"
        at = command.index("--weights")
        assert call(*command[:at], *command[at + 2 :]).status == 0
        return world.evaluate(folder / "out.json", val=folder / "val")

    yield Case("features", "of another model", of_another_model, LINE)


def _table(world: World, folder: Path) -> tuple[Path, list[object]]:
    place = folder / "metrics" / "in-context" / "mine" / "demo-vit.json"
    copied(world.root / "metrics.json", place)
    config = folder / "project.yaml"
    config.write_text(
        "datasets: {mine: {}}\nbackbones: [demo-vit]\n"
        "evaluations: [{protocol: in-context, datasets: [mine]}]\nreport: {dataset: mine}\n"
        "in_context: {image_size: 16, fractions: [1], seeds: [0], neighbours: 5}\n"
    )
    return place, ["summary", "--config", config, "--metrics", folder / "metrics",
                   "--into", folder / "out"]  # fmt: skip


def results() -> Iterator[Case]:
    """Yield metrics files that were damaged or edited, where they are summed up."""
    damages = tuple(h for h in ALL if h not in ("missing", "a dangling link", "a link to itself"))
    yield from spoiled("metrics", damages, _table)

    def whole(world: World, folder: Path) -> list[object]:
        return _table(world, folder)[1]

    yield Case("metrics", "whole", whole, EQUAL, lambda w, f: (f / "out").is_dir())

    def set_mean(content: dict) -> None:
        content["mIoU"] = 99.9

    def set_result(content: dict) -> None:
        content["results"][0]["mIoU"] = 99.9

    def set_both(content: dict) -> None:
        set_mean(content)
        set_result(content)

    def set_settings(content: dict) -> None:
        content["settings"]["neighbours"] = 50

    def set_model(content: dict) -> None:
        content["model"] = "another"

    def set_class(content: dict) -> None:
        content["results"][0]["per_class_iou"]["cat"] = 99.0

    for change in (set_mean, set_result, set_both, set_settings, set_model, set_class):

        def edited(world: World, folder: Path, change: Callable = change) -> list[object]:
            path, command = _table(world, folder)
            content = json.loads(path.read_text())
            change(content)
            path.write_text(json.dumps(content))
            return command

        yield Case("metrics", f"edited: {change.__name__[4:]}", edited, LINE)

    def other_settings(world: World, folder: Path) -> list[object]:
        _, command = _table(world, folder)
        return [*command, "--set", "in_context.neighbours=7"]

    yield Case("metrics", "of another configuration", other_settings, LINE)
