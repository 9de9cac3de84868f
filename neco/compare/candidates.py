"""What `--backbone` names: a network and its weights."""

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from neco.backbones.backbone import Backbone
from neco.backbones.checkpoint import is_safetensors, refuse_no_weights
from neco.backbones.registry import BACKBONES, PREFIXES, backbone_spec, file_stem
from neco.backbones.spec import LocalFile, Random, Shipped, TimmHub
from neco.errors import UserError
from neco.files import read_json
from neco.run_files import ABOUT, FIT_RUN, WEIGHTS

log = logging.getLogger(__name__)

SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt", ".bin")


@dataclass(frozen=True)
class Candidate:
    """One backbone of a comparison."""

    name: str
    """As tables call it; no two of a comparison share it."""
    backbone: str
    """As `load_backbone` takes it."""
    weights: Path | None

    @property
    def key(self) -> str:
        """Return the name as one of a folder."""
        return file_stem(self.name) or "backbone"


def candidates(given: Iterable[str]) -> list[Candidate]:
    """Return the backbones that arguments name, in order, under names that differ.

    An argument is a name that `load_backbone` knows, the folder of a training, a file of weights,
    or NAME=FILE and NAME=FOLDER, which say the architecture as well. Raises UserError for anything
    else, before anything is computed.
    """
    found = [_candidate(argument) for argument in given]
    if not found:
        raise UserError("name at least one backbone: --backbone NAME, more for a comparison")
    named: list[Candidate] = []
    for one in found:
        taken = {other.key for other in named}
        tries = (replace(one, name=f"{one.name} ({number})") for number in count(2))
        named.append(one if one.key not in taken else next(t for t in tries if t.key not in taken))
    return named


def _candidate(argument: str) -> Candidate:
    path = Path(argument)
    if not argument.strip():
        raise UserError("--backbone: is empty; name a backbone, a training or a file of weights")
    if argument in BACKBONES or argument.startswith(PREFIXES):
        source = backbone_spec(argument).source  # what is unknown is told before all else
        if isinstance(source, LocalFile):
            refuse_no_weights(source.path)
        return Candidate(_short(argument), argument, None)
    if (path / "config.json").is_file():
        return _candidate(f"local-dir:{argument}")
    if path.exists():
        weights = _weights_of(path)
        return Candidate(_title(path), _architecture(path, weights), weights)
    name, equals, place = argument.partition("=")
    if equals:
        if not place or not Path(place).exists():
            raise UserError(f"--backbone {argument}: there is no file or folder {place}")
        if not backbone_spec(name).architecture:
            raise UserError(f"--backbone {argument}: {name} has no network that a file could fill")
        weights = _weights_of(Path(place))
        refuse_no_weights(weights)
        return Candidate(_title(Path(place)), name, weights)
    if path.suffix in SUFFIXES or path.parent != Path():
        raise UserError(f"--backbone {argument}: there is no such file or folder")
    backbone_spec(argument)
    return Candidate(argument, argument, None)


def _short(argument: str) -> str:
    """Return how a table calls a backbone: without folders and without what leads to it."""
    if argument.startswith("file:"):
        return Path(argument.removeprefix("file:").rpartition("@")[0]).stem
    name = argument.removeprefix("timm:").removeprefix("hf-hub:").removeprefix("local-dir:")
    return name if argument in BACKBONES else name.rstrip("/").rpartition("/")[2]


def _title(path: Path) -> str:
    path = path.resolve()
    return path.name if path.is_dir() else path.parent.name if path.name == WEIGHTS else path.stem


def _weights_of(path: Path) -> Path:
    """Return a file of weights, of a training's folder the one in it."""
    if not path.is_dir():
        return path
    for inside in (path / WEIGHTS, path / FIT_RUN / WEIGHTS):
        if inside.is_file():
            return inside
    raise UserError(
        f"{path}: holds no {WEIGHTS}; name the folder of a finished training, a file of weights, "
        "or a timm folder as local-dir:FOLDER"
    )


def _architecture(path: Path, weights: Path) -> str:
    """Return the known backbone whose network a file of weights fits, as a record or shapes say."""
    record = weights.parent / ABOUT
    if record.is_file():
        trained = read_json(record, "record of a training", "train again").get("backbone")
        if isinstance(trained, str):
            return trained
    shapes, stated = _content(weights)
    if stated is not None:
        return stated
    found = _fitting(shapes) if shapes else None
    if found is None:
        why = (
            "its tensors have the names and shapes of no backbone that the project knows"
            if shapes
            else "a file of torch.save does not say which network it is of"
        )
        raise UserError(
            f"{path}: {why}; name the architecture as NAME={path}, for example dinov2-vits14={path}"
        )
    log.info("%s: has the shape of %s; write NAME=%s where it is another", path, found, path)
    return found


def _fitting(shapes: dict[str, tuple[int, ...]]) -> str | None:
    """Return the first known backbone whose tensors have these names and shapes."""
    import torch

    from neco.backbones.load import build_network

    tried: set[str] = set()
    for name, spec in BACKBONES.items():
        shape = json.dumps(
            [spec.architecture, spec.image_size, spec.first_blocks, dict(spec.overrides)],
            default=str,
        )
        if not spec.architecture or shape in tried:
            continue
        tried.add(shape)
        if shapes.get("patch_embed.proj.weight", (0,))[-1] != spec.patch_size:
            continue
        with torch.device("meta"):
            network = build_network(spec)
        if {key: tuple(value.shape) for key, value in network.state_dict().items()} == shapes:
            return name
    return None


def _content(path: Path) -> tuple[dict[str, tuple[int, ...]], str | None]:
    """Return the shapes of a safetensors file's tensors, and the backbone that it says it is.

    Of a file that torch.save wrote nothing is known. Raises UserError for any other file.
    """
    from safetensors import safe_open

    refuse_no_weights(path)
    if not is_safetensors(path):
        return {}, None
    with safe_open(path, "pt") as file:
        shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
        about = (file.metadata() or {}).get("about", "{}")
    try:
        stated = json.loads(about).get("backbone")
    except (ValueError, AttributeError):
        stated = None
    return shapes, stated if isinstance(stated, str) else None


def refuse_unfit(
    backbones: Sequence[Candidate], block: int | None, weights: Path, mirrors: list[str],
    downloads: Path,
) -> None:  # fmt: skip
    """Raise UserError where a backbone cannot be loaded, before the first one is measured.

    What has to be downloaded is. Networks have shapes and no numbers here, because filling a large
    one takes seconds. Of a file that this project wrote its header is read, and others whole.
    """
    import torch

    from neco.backbones.convert import convert
    from neco.backbones.load import as_backbone, build_network

    for one in backbones:
        spec = backbone_spec(one.backbone)
        if not spec.architecture:
            continue
        with torch.device("meta"):
            network = build_network(spec)
        as_backbone(network, block, one.name)
        if isinstance(spec.source, TimmHub) and one.weights is None:
            load(one, block, weights, mirrors, downloads)
            continue
        file = _file(one, weights, mirrors, downloads)
        if file is None and isinstance(spec.source, LocalFile):
            file = spec.source.path
        if file is not None and not _fits(file, network):
            convert(file, spec.converter, network, spec.first_blocks)


def _fits(file: Path, network: Any) -> bool:
    """Return whether the header of a file of this project says that it fits a network."""
    shapes, stated = _content(file)
    wanted = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    return stated is not None and shapes == wanted


def load(
    one: Candidate, block: int | None, weights: Path, mirrors: list[str], downloads: Path
) -> Backbone:
    """Return the network of a candidate, where there is a GPU on it.

    weights: folder for those that have to be fetched first; they stay there.
    Raises UserError naming the backbone.
    """
    import torch

    from neco.backbones.load import load_backbone

    file = _file(one, weights, mirrors, downloads)
    backbone = load_backbone(one.backbone, file, block=block)
    return backbone.cuda() if torch.cuda.is_available() else backbone


def _file(one: Candidate, weights: Path, mirrors: list[str], downloads: Path) -> Path | None:
    """Return the file that fills a candidate, fetched where needed; None where it needs none."""
    from neco.backbones.fetch import fetch_and_convert

    spec = backbone_spec(one.backbone)
    itself = Shipped | Random | LocalFile | TimmHub
    if one.weights is not None or not spec.architecture or isinstance(spec.source, itself):
        return one.weights
    file = weights / f"{file_stem(one.backbone)}.safetensors"
    if not file.exists():
        fetch_and_convert(one.backbone, file, mirrors, downloads)
    return file
