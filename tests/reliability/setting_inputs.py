"""Configurations and command lines."""

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from pydantic import BaseModel

from neco.config import Project
from neco.config.training import Train
from tests.reliability.damage import CUT, FOREIGN
from tests.reliability.inputs import EQUAL, LINE, USAGE, Case, spoiled
from tests.reliability.world import World


def cases() -> Iterator[Case]:
    """Yield every case of settings."""
    yield from files()
    yield from keys()
    yield from command_lines()


def _given(world: World, folder: Path, text: str) -> list[object]:
    path = folder / "project.yaml"
    path.write_text(text)
    return ["train", "--config", path, "--run", "neco", "--data", world.data,
            "--into", folder / "out"]  # fmt: skip


GOOD = "datasets: {mine: {}}\nruns: {neco: {backbone: demo-vit, train: {dataset: mine}}}\n"


def files() -> Iterator[Case]:
    """Yield configuration files that are damaged or say something else."""

    def make(world: World, folder: Path) -> tuple[Path, list[object]]:
        return folder / "project.yaml", _given(world, folder, GOOD)

    damages = (*CUT, *FOREIGN, "missing", "a folder", "a dangling link")
    yield from spoiled("configuration", damages, make)
    for name, text in {
        "a tab": "runs:\n\tneco: {}\n",
        "an unclosed bracket": "runs: {neco: {backbone: demo-vit\n",
        "two documents": "name: a\n---\nname: b\n",
        "an alias to nothing": "runs: *nowhere\n",
        "a Python object": "name: !!python/object/apply:os.system ['touch /tmp/oops']\n",
        "a number for a name": "name: 3\n",
        "a list for runs": "runs: [neco]\n",
        "a run without backbone": "runs: {neco: {}}\n",
        "an unknown run in like": "runs: {neco: {like: other, backbone: demo-vit}}\n",
        "a run like itself": "runs: {neco: {like: neco, backbone: demo-vit}}\n",
        "an unknown protocol": GOOD + "evaluations: [{protocol: magic, datasets: [mine]}]\n",
        "an unknown dataset": GOOD + "evaluations: [{protocol: linear, datasets: [other]}]\n",
        "the same asked twice": GOOD + "evaluations: [{protocol: linear, datasets: [mine]},"
        " {protocol: linear, datasets: [mine]}]\n",
        "an unknown model": GOOD
        + "evaluations: [{protocol: linear, datasets: [mine], models: [x]}]\n",
        "a path as a name": "name: ../../x\n",
        "a space in a name": "name: my project\n",
        "an include that is not there": "include: [nowhere.yaml]\n",
        "an include that is no list": "include: nowhere.yaml\n",
        "an unknown preset": "train: {preset: foo}\n",
        "an unknown table": "report: {tables: ['77']}\n",
    }.items():
        yield Case("configuration", name, lambda w, f, text=text: _given(w, f, text), LINE)

    def bom(world: World, folder: Path) -> list[object]:
        path = folder / "p.yaml"
        path.write_bytes(b"\xef\xbb\xbf" + b"name: tiny\r\n")
        return ["weights", "demo-vit-random", "--config", path, "--into", folder / "w.safetensors"]

    yield Case("configuration", "with a BOM and CRLF", bom, EQUAL)


def leaves(model: type[BaseModel], above: str = "") -> Iterator[str]:
    """Yield the dotted name of every setting."""
    for name, field in model.model_fields.items():
        inner = field.annotation
        found = [k for k in (inner, *get_args(inner)) if isinstance(k, type)]
        below = [k for k in found if issubclass(k, BaseModel)]
        if below:
            yield from leaves(below[0], f"{above}{name}.")
        else:
            yield f"{above}{name}"


def keys() -> Iterator[Case]:
    """Yield a value of another kind for every setting of a training and of the protocols."""
    named = [f"train.{name}" for name in leaves(Train)]
    groups = ("in_context", "linear", "resources")
    named += [name for name in leaves(Project) if name.partition(".")[0] in groups]
    for name in named:

        def wrong(world: World, folder: Path, name: str = name) -> list[object]:
            return [*world.train(folder / "out"), "--set", f"{name}={{no: [such, value]}}"]

        yield Case("setting", f"{name} of another kind", wrong, LINE)
    for name in ("train.batch_siz", "in_context.neighbors", "trane.steps", "train.crops.x", "x"):

        def unknown(world: World, folder: Path, name: str = name) -> list[object]:
            return [*world.train(folder / "out"), "--set", f"{name}=3"]

        yield Case("setting", f"unknown {name}", unknown, LINE)


def command_lines() -> Iterator[Case]:
    """Yield command lines that are wrong or nearly so."""
    for words in (
        [], ["trane"], ["train"], ["train", "--data"], ["extract", "--model", "m"],
        ["evaluate"], ["evaluate", "in-contxt"], ["prepare"], ["fetch"], ["weights"],
        ["pack", "--into", "x"], ["config", "--yaml"], ["--version-please"],
    ):  # fmt: skip
        name = " ".join(["neco", *words])
        yield Case("command line", name, lambda w, f, words=words: list(words), USAGE)
    for more in (["--threads", "-1"], ["--threads", "many"], ["--devices", "0"]):
        yield Case(
            "command line", " ".join(more),
            lambda w, f, more=more: [*w.train(f / "out"), *more], USAGE,
        )  # fmt: skip
    for text in (
        "train.steps", "=3", "train.=3", "train.steps=[3", "train.steps={3", "train.steps='3",
        "train.steps=-1", "train.batch_size=0", "train.batch_size=9999", "train.batch_size=a",
        "train.preset=foo", "train.crops=3", "train=3", "train.split=nowhere",
        "train.loss.references.count=99999", "train.crops.global_size=3",
    ):  # fmt: skip
        yield Case(
            "command line", f"--set {text}",
            lambda w, f, text=text: [*w.train(f / "out"), "--set", text], LINE,
        )  # fmt: skip

    def at(where: str) -> Case:
        def prepare(world: World, folder: Path) -> list[object]:
            (folder / "file").write_text("a file")
            (folder / "mine").mkdir()
            (folder / "mine" / "letter.txt").write_text("not a dataset")
            return world.prepare(world.folder, folder / where)

        return Case("place", where, prepare, LINE)

    for where in ("file", "file/below", "file/below/more", "mine", "x" * 300, "a/../file"):
        yield at(where)

    def missing(change: dict[str, object]) -> Case:
        def prepare(world: World, folder: Path) -> list[object]:
            words = world.extract(folder / "out")
            for flag, value in change.items():
                words[words.index(flag) + 1] = value
            return words

        return Case("place", f"{change}", prepare, LINE)

    yield missing({"--data": "/nowhere"})
    yield missing({"--split": "test"})
    yield missing({"--backbone": "demo-vitt"})
    yield missing({"--weights": "/nowhere/w.pth"})
    yield missing({"--backbone": "local-dir:/nowhere"})

    def held(world: World, folder: Path) -> list[object]:
        from neco.locks import held

        lock = held(folder / "out", "neco other")
        lock.__enter__()
        _HELD.append(lock)
        return world.extract(folder / "out")

    yield Case("place", "held by another command", held, LINE)


_HELD: list[object] = []
