"""The table of timm's families in docs/backbone-families.md, measured and not written by hand.

    python -m neco.backbones.families benchmarks/results/backbone-families.jsonl \\
        docs/backbone-families.md

Each family is a module of timm; each kind of network in it is tried by a small member, with
random weights: built, sent images of two sizes through, sent a gradient back, asked for attention.
The first file holds what came out, a line for each kind, and is measured where it is absent; the
second holds the table made from it.
"""

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from neco.backbones.backbone import SUCH_AS, Backbone
from neco.backbones.load import as_backbone, build_network
from neco.backbones.registry import backbone_spec
from neco.documents import renew
from neco.errors import UserError
from neco.files import whole_file

COMMAND = "python -m neco.backbones.families"
LARGEST = 128
"""Side in pixels that a network is tried with at most, unless it takes its own size alone."""


@dataclass(frozen=True)
class Tried:
    """What became of one network."""

    family: str
    kind: str
    """Class of the network."""
    model: str
    members: int
    """Models of this kind in timm."""
    grid: str
    """Pixels between tokens; empty for a network that was refused."""
    trains: str
    extracts: str
    attention: str
    reason: str
    """Why something is not possible, in the words that the user reads."""


class _AskedError(Exception):
    """Carries the class that timm was about to build, so that nothing is built."""

    def __init__(self, kind: type) -> None:
        super().__init__(kind.__name__)
        self.kind = kind


def kind_of(model: str) -> str:
    """Return the name of the class that timm builds for a model, without building it."""
    from timm.models import model_entrypoint

    def ask(kind: type, *_: Any, **__: Any) -> None:
        raise _AskedError(kind)

    entry = model_entrypoint(model)
    try:
        with patch.object(sys.modules[entry.__module__], "build_model_with_cfg", ask):
            network = entry(pretrained=False)
    except _AskedError as asked:
        return asked.kind.__name__
    except AttributeError:  # a family that builds with another family's function
        with torch.device("meta"):
            network = entry(pretrained=False)
    return type(network).__name__


def kinds() -> Iterator[tuple[str, str, list[str]]]:
    """Yield family, kind of network and its models, by timm's own registry; a small one first."""
    import timm
    from timm.models import model_entrypoint

    members: dict[tuple[str, str], list[str]] = defaultdict(list)
    for model in timm.list_models():
        family = model_entrypoint(model).__module__.rpartition(".")[2]
        members[family, kind_of(model)].append(model)
    for (family, kind), models in sorted(members.items()):
        yield family, kind, sorted(models, key=_size)


def _size(model: str) -> tuple[int, str]:
    """Return a key that puts models first whose names say that they are small."""
    said = [place for place, word in enumerate(SMALL_FIRST) if word in model]
    return (said[0] if said else len(SMALL_FIRST), model)


SMALL_FIRST = ("test_", "atto", "femto", "pico", "nano", "xxs", "_xs", "tiny", "small", "base")


def try_network(family: str, kind: str, models: list[str]) -> Tried:
    """Return what the first model of a kind can do."""
    model = models[0]
    place = (family, kind, model, len(models))
    try:
        spec = backbone_spec(f"timm:{model}")
        backbone = as_backbone(build_network(spec))
    except UserError as error:
        return Tried(*place, "", "no", "no", "no", _reason(error))
    extracts, reason = _sizes(backbone, spec.image_size)
    trains = "yes"
    try:
        _train(backbone, spec.image_size)
    except UserError as error:
        trains, reason = "no", reason or _reason(error)
    try:
        backbone.class_attention(_images(backbone, spec.image_size))
        attention = "yes"
    except UserError:
        attention = "no"
    return Tried(*place, str(backbone.patch_size), trains, extracts, attention, reason)


def _images(backbone: Backbone, side: int, smaller: int = 0) -> torch.Tensor:
    patch = backbone.patch_size
    return torch.randn(1, 3, *[max(side // patch - smaller, 1) * patch] * 2)


def _sizes(backbone: Backbone, native: int) -> tuple[str, str]:
    """Return which sizes were extracted, and why not more."""
    with torch.no_grad():
        side = min(native, LARGEST)
        try:
            for smaller in (0, 2):
                backbone(_images(backbone, side, smaller))
        except UserError as error:
            try:
                backbone(_images(backbone, native))
            except UserError as worse:
                return "no", _reason(worse)
            return f"{native} only", _reason(error)
    return "any size", ""


def _train(backbone: Backbone, native: int) -> None:
    side = min(native, LARGEST)
    larger, smaller = _images(backbone, side), _images(backbone, side, 2)
    backbone.prepare_training(larger.shape[-1], smaller.shape[-1])
    backbone.train()
    loss = sum(backbone(images).square().mean() for images in (larger, smaller))
    assert isinstance(loss, torch.Tensor)  # noqa: S101 (for mypy)
    loss.backward()
    backbone.eval()
    lacking = [
        name for name, p in backbone.named_parameters() if p.requires_grad and p.grad is None
    ]
    if lacking:
        raise UserError(f"{lacking[0]} gets no gradient from the tokens")


def _reason(error: Exception) -> str:
    """Return a message without the name of the backbone in front of it, and without examples."""
    text = str(error).removesuffix(SUCH_AS)
    return text.partition("': ")[2] if text.startswith("backbone '") else text


WHY = {
    "has no sequence of blocks with one grid": "no common grid",
    "positions are stored for one size": "fixed positions",
    "gives no grid of tokens": "no grid",
    "cannot take images of": "fixed size",
}
"""What the document calls a reason, by a part of it; the first that fits counts."""


def table(results: list[Tried]) -> str:
    """Return the results as a Markdown table; kinds of which the same came out share a row."""
    kinds = Counter(one.family for one in results)
    rows: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for one in results:
        why = next((name for part, name in WHY.items() if part in one.reason), one.reason)
        outcome = (one.trains, one.extracts, one.attention, one.grid or "-", why)
        kind = f".{one.kind}" if kinds[one.family] > 1 else ""
        rows[outcome].append(f"`{one.family}{kind}`")
    columns = ("trains", "sizes", "class attention", "stride", "why not", "families")
    lines = ["| " + " | ".join(columns) + " |", "| --- | --- | --- | ---: | --- | --- |"]
    for cells, families in sorted(rows.items(), key=_usefulness):
        lines.append(f"| {' | '.join(cells)} | {', '.join(families)} |")
    trained = sum(one.members for one in results if one.trains == "yes")
    extracted = sum(one.members for one in results if one.extracts != "no")
    everything = sum(one.members for one in results)
    lines += [
        "",
        f"Of timm's {everything} models {extracted} can be evaluated and {trained} trained.",
    ]
    return "\n".join(lines)


def _usefulness(row: tuple[tuple[str, ...], list[str]]) -> tuple[Any, ...]:
    """Return a key that puts first what can do most."""
    trains, sizes, attention, stride, why = row[0]
    return (
        trains != "yes",
        ("any size", "no").index(sizes) if sizes in ("any size", "no") else 0.5,
        attention != "yes",
        why,
        sizes,
        int(stride) if stride.isdecimal() else 0,
    )


def read_results(file: Path) -> list[Tried]:
    """Return what came out when the file was written."""
    return [Tried(**json.loads(line)) for line in file.read_text().splitlines()]


def try_all() -> list[Tried]:
    """Return what became of every kind of network; this takes minutes."""
    results: list[Any] = []
    for place in kinds():
        torch.manual_seed(0)
        results.append(try_network(*place))
        print(
            f"{results[-1].family} {results[-1].kind}: {results[-1]}", file=sys.stderr, flush=True
        )
    return results


if __name__ == "__main__":
    torch.set_num_threads(1)
    records, document = map(Path, sys.argv[1:])
    if not records.exists():
        found = try_all()
        with whole_file(records) as unfinished:
            unfinished.write_text("".join(f"{json.dumps(asdict(one))}\n" for one in found))
    renew(document, COMMAND, table(read_results(records)))
