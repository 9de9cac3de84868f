"""Reading a checkpoint: a file comes in, the backbone's tensors come out, and no code in it is run.

People keep weights in many nestings: a teacher beside a student, names behind `module.` or
`backbone.`, an optimiser next to them. What is looked for is known (the names of the network), so
the place in the file is the one where most of these names are found.
"""

import argparse
import pathlib
import pickle
import re
import warnings
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from neco.errors import UserError, first_line, from_os_error

StateDict = dict[str, Tensor]


class BadFileError(UserError):
    """The file itself cannot be used: it holds no weights, is damaged, or has NaN in it."""


@dataclass(frozen=True)
class Found:
    """The backbone's tensors inside a checkpoint, and where they were."""

    state: StateDict
    """Names without nesting and prefix."""
    place: str
    """Nesting and prefix in words, such as `teacher behind backbone.`; empty at the top."""
    beside: tuple[str, ...]
    """Names of tensors next to the backbone, such as those of a projection head."""


# Reading


def read_checkpoint(path: Path) -> Any:
    """Return what a PyTorch or safetensors file holds; the content decides which of them it is.

    Raises UserError for a file that is absent, and BadFileError for one that cannot be read or
    that holds more than data.
    """
    refuse_no_weights(path)
    try:
        if is_safetensors(path):
            return load_file(path)
        with torch.serialization.safe_globals(_HARMLESS), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*TorchScript archive")  # said below
            with path.open("rb") as stream:  # by name, the suffix would decide
                return torch.load(stream, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"(?:GLOBAL|global) ([\w.]+)", str(error))
        culprit = found.group(1) if found else ""
        raise BadFileError(f"{path}: {_more_than_data(culprit)}") from None
    except (SafetensorError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        reason = first_line(error)
        if "torchscript" in reason.lower():
            raise BadFileError(
                f"{path}: is a TorchScript program, not weights; load it with torch.jit.load and "
                "save its state_dict()"
            ) from None
        raise BadFileError(
            f"{path}: cannot be read as weights, so it is damaged or cut short "
            f"({reason[:120]}); fetch it again"
        ) from None


def refuse_no_weights(path: Path) -> None:
    """Raise UserError for a file that is absent, BadFileError for one that is neither safetensors
    nor written by torch.save."""
    if not is_safetensors(path) and not _start(path).startswith(_WRITTEN_BY_TORCH):
        raise BadFileError(
            f"{path}: is no file of weights, neither safetensors nor what torch.save writes; name "
            "the weights themselves, or fetch them again"
        )


def is_safetensors(path: Path) -> bool:
    """Return whether a file is safetensors, whatever its suffix says.

    Raises UserError for a file that is absent, and BadFileError for what is no weights at all: an
    empty file, a Git LFS pointer, a web page.
    """
    start = _start(path)
    _refuse_impostors(start, path)
    return start[8:9] == b"{"  # after the length of its JSON header in eight bytes


_WRITTEN_BY_TORCH = (b"PK\x03\x04", b"\x80")
"""How zip archives and pickles begin, the two forms of torch.save."""


def _harmless() -> list[Any]:
    """Return what training scripts keep beside weights and what loading may rebuild: plain data."""
    scalar = np._core.multiarray.scalar  # type: ignore[attr-defined]
    numbers = [type(np.dtype(kind)) for kind in ("f2", "f4", "f8", "i4", "i8", "u1", "?")]
    paths = [
        (kind, f"{module}.{kind.__name__}")
        for kind in (pathlib.PosixPath, pathlib.Path)
        for module in ("pathlib", "pathlib._local")  # the second in files of Python 3.13
    ]
    names = [(scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")]
    return [argparse.Namespace, np.dtype, *numbers, *names, *paths]


_HARMLESS = _harmless()


def _start(path: Path) -> bytes:
    """Return the first bytes of a file. Raises UserError where there is no file to read."""
    try:
        with path.open("rb") as stream:
            return stream.read(512)
    except FileNotFoundError:
        raise UserError(f"{path}: no such weights; fetch them with `neco weights`") from None
    except IsADirectoryError:
        raise UserError(
            f"{path}: is a folder, not a file; name the weights inside it, or a timm folder "
            "as local-dir:FOLDER"
        ) from None
    except OSError as error:
        raise from_os_error(error) from None


def _refuse_impostors(start: bytes, path: Path) -> None:
    """Raise BadFileError for what often lies where weights should be."""
    text = start.decode("latin-1").lstrip("\ufeffï»¿ \t\r\n").lower()
    if not start:
        raise BadFileError(f"{path}: is empty; fetch it again")
    if text.startswith("version https://git-lfs"):
        raise BadFileError(
            f"{path}: is a Git LFS pointer, a note that stands for the weights; run `git lfs pull` "
            "in the repository that it came from, or download the file itself"
        )
    if text.startswith(("<!doctype", "<html", "<?xml", "<head")):
        title = re.search(r"<title>\s*([^<]{1,60})", start.decode("utf-8", "replace"), re.I)
        named = f" ('{title.group(1).strip()}')" if title else ""
        raise BadFileError(
            f"{path}: is a web page{named}, not weights; its address asks for a log-in or a "
            "click: download it in a browser and put the file there"
        )


def _more_than_data(culprit: str) -> str:
    if re.match(r"(timm|torch\.nn|torchvision|transformers|__main__)\b", culprit):
        what = f"holds a Python object ({culprit})"
    else:
        what = f"holds Python objects besides tensors{f' ({culprit})' if culprit else ''}"
    return (
        f"{what} and was not loaded, because that would run code from the file; where you trust "
        "it, load it with its own program and save the state dict alone, best as .safetensors"
    )


# Finding

Part = Literal["teacher", "student"]
_FIRST = {"teacher", "ema", "target"}
"""Names for an average of the trained network, which is the one that authors evaluate."""
_LAST = {"student", "momentum"}
_DEEPEST = 4
"""How many levels of nesting are searched."""


def find_backbone(
    content: Any, wanted: Collection[str], path: Path, prefer: Part = "teacher"
) -> Found:
    """Return the tensors of `content` that belong to a network with the names `wanted`.

    Nested dictionaries and prefixes of names are tried; the place with the most known names is
    taken, a teacher before a student unless `prefer` says otherwise. Raises UserError where the
    file holds no state dict or two different ones of equal standing.
    """
    if not isinstance(content, Mapping):
        raise UserError(f"{path}: holds no state dict but a {type(content).__name__}")
    doubled = any(re.match(r"blocks\.\d+\.\d+\.", name) for name in wanted)
    places = [
        _Place(nest, prefix, tensors, known)
        for nest, mapping in _levels(content)
        for tensors in [_tensors(mapping, chunked=not doubled)]
        for prefix, known in _prefixes(tensors, frozenset(wanted)).items()
    ]
    if not places:
        tensors = [name for _, mapping in _levels(content) for name in _tensors(mapping)]
        inside = some(sorted(map(str, tensors or content)))
        raise UserError(f"{path}: holds nothing that this backbone could take: {inside}")
    places.sort(key=lambda place: (-place.known, place.rank(prefer), len(place.prefix)))
    best, *others = places
    for other in others:
        equal = (other.known, other.rank(prefer)) == (best.known, best.rank(prefer))
        if equal and not best.agrees_with(other):
            raise UserError(
                f"{path}: holds the backbone twice, in {best} and in {other}, and they differ; "
                "save the one that you mean alone"
            )
    # A second network inside, such as `teacher.` beside bare names, is not part of the first.
    inner = tuple(
        other.prefix
        for other in others
        if other.nest == best.nest and 2 * other.known > best.known
        if other.prefix.startswith(best.prefix)
    )
    own = {n for n in best.tensors if n.startswith(best.prefix) and not n.startswith(inner)}
    state = {name[len(best.prefix) :]: best.tensors[name] for name in best.tensors if name in own}
    place = str(best) if best.nest or best.prefix else ""
    return Found(state, place, tuple(sorted(best.tensors.keys() - own)))


@dataclass(frozen=True)
class _Place:
    nest: tuple[str, ...]
    prefix: str
    tensors: StateDict
    known: int
    """How many of the names are the network's."""

    def __str__(self) -> str:
        nest = ".".join(self.nest) or "the outermost level"
        return f"{nest} behind {self.prefix}" if self.prefix else nest

    def rank(self, prefer: Part) -> int:
        """Return 0 for the preferred of several networks, 2 for the one to take last."""
        words = set(re.split(r"[._]", ".".join([*self.nest, self.prefix])))
        order = 0 if words & _FIRST else 2 if words & _LAST else 1
        return order if prefer == "teacher" else 2 - order

    def state(self) -> StateDict:
        start = len(self.prefix)
        return {n[start:]: t for n, t in self.tensors.items() if n.startswith(self.prefix)}

    def agrees_with(self, other: "_Place") -> bool:
        mine, theirs = self.state(), other.state()
        return all(
            mine[name].shape == theirs[name].shape and torch.equal(mine[name], theirs[name])
            for name in mine.keys() & theirs.keys()
        )


def _levels(
    content: Mapping[Any, Any], nest: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Mapping[Any, Any]]]:
    """Yield every dictionary of a checkpoint with the keys that lead to it."""
    yield nest, content
    if len(nest) < _DEEPEST:
        for key, value in content.items():
            if isinstance(value, Mapping):
                yield from _levels(value, (*nest, str(key)))


def _tensors(mapping: Mapping[Any, Any], *, chunked: bool = True) -> StateDict:
    """Return a dictionary's tensors by name; numbers of chunks, `blocks.2.7.`, are taken out."""
    named = {str(key): value for key, value in mapping.items() if isinstance(value, Tensor)}
    if not chunked:
        return named
    return {re.sub(r"(^|\.)blocks\.\d+\.(\d+)\.", r"\1blocks.\2.", n): t for n, t in named.items()}


def _prefixes(tensors: StateDict, wanted: frozenset[str]) -> Counter[str]:
    """Return how many known names there are behind each prefix."""
    found: Counter[str] = Counter()
    for name in tensors:
        parts = name.split(".")
        for start in range(len(parts)):
            if ".".join(parts[start:]) in wanted:
                found["".join(f"{part}." for part in parts[:start])] += 1
    return found


def some(names: list[str]) -> str:
    """Return the first few names and how many more there are."""
    shown = ", ".join(names[:4])
    return shown if len(names) <= 4 else f"{shown} and {len(names) - 4} more"
