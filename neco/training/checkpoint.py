"""Checkpoints that hold everything: a training that continues from one ends as if never stopped.

    checkpoint.ckpt           the newest; torch.load reads it too
    checkpoint.previous.ckpt  the one before, used where the newest is damaged

A state comes in and a file comes out, and the other way round. The last line of a file is the
digest of all before it. So a flipped byte is noticed before anything is loaded, and no kill can
part a file from its digest.
"""

import hashlib
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor, nn

from neco.config.segmenter import Segmenter
from neco.config.training import Train
from neco.errors import UserError
from neco.files import whole_file
from neco.identity import model_digest

log = logging.getLogger(__name__)

Identity = Mapping[str, Any]
"""What has to be the same for a training to continue. WORDS has the usual keys."""

WORDS = {
    "settings": "other training settings",
    "data": "other training images",
    "start": "other starting weights",
    "backbone": "another backbone",
}
"""What a message says where a part of the identity differs."""
MARK = b"\nneco-sha256 "
TRAILER = len(MARK) + 64 + 1
CHUNK = 1 << 20
_damaged: set[Path] = set()
"""Newest checkpoints that this process found damaged. They never become the one before."""


class _Digesting:
    """A file that is written to, and the digest of what was written."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.content = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.content.update(data)
        return self.file.write(data)

    def flush(self) -> None:
        self.file.flush()


def identity_of(start: nn.Module, data: str, settings: Train | Segmenter) -> dict[str, Any]:
    """Return the identity of a training. Call it before `start` is trained.

    start: the network that the training begins with. data: the digest of its images.
    """
    return {
        "settings": settings.identity().model_dump(mode="json"),
        "data": data,
        "start": model_digest(start),
    }


def previous_of(path: Path) -> Path:
    """Return where the checkpoint before the newest lies."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def checkpoint_there(path: Path) -> bool:
    """Return whether there is a checkpoint to continue from."""
    return path.exists() or previous_of(path).exists()


def finite(state: Any) -> bool:
    """Return whether all numbers of a nested state are finite. It waits for each device once."""
    checks: dict[torch.device, list[Tensor]] = {}
    for tensor in _floats(state):
        checks.setdefault(tensor.device, []).append(torch.isfinite(tensor).all())
    return all(bool(torch.stack(found).all()) for found in checks.values())


def save_checkpoint(path: Path, state: dict[str, Any], identity: Identity) -> None:
    """Write a checkpoint whole or not at all, and keep the one before.

    Raises UserError for a state that is not finite. The checkpoints then stay as they are.
    """
    if not finite(state):
        kept = f"{path} is from before" if checkpoint_there(path) else "no checkpoint was written"
        raise UserError(
            f"{path.parent}: weights are no longer finite; {kept}. Lower the learning rates or "
            "loss.sorting's steepness, or train in 32-true"
        )
    with whole_file(path) as unfinished:
        with unfinished.open("wb") as file:
            digesting = _Digesting(file)
            torch.save({**state, "identity": plain_identity(identity)}, digesting)  # type: ignore[arg-type]
            file.write(MARK + digesting.content.hexdigest().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if path.exists() and path not in _damaged:
            path.replace(previous_of(path))
    _damaged.discard(path)


def read_checkpoint(path: Path, identity: Identity) -> dict[str, Any]:
    """Return the state of the newest checkpoint that is whole, on the CPU.

    Networks and optimisers copy from there to where they are. On a GPU the state would take memory
    beside them, and Adam's counters, which belong on the CPU, would make every step wait.

    Where the newest is damaged, a warning names it and the one before is read. Raises UserError
    where none is whole, and where it was written with another identity.
    """
    reasons: list[str] = []
    for candidate in (path, previous_of(path)):
        if not candidate.exists():
            continue
        reason = _damage(candidate)
        if reason is None:
            if reasons:
                log.warning("%s; %s is continued instead", reasons[0], candidate.name)
                _damaged.add(path)
            return _loaded(candidate, identity)
        reasons.append(f"{candidate}: {reason}")
    if not reasons:
        raise UserError(f"{path}: no such checkpoint")
    raise UserError(f"{'; '.join(reasons)}; delete {path.parent / path.stem}* to start over")


def remove_checkpoint(path: Path) -> None:
    """Remove the newest checkpoint and the one before."""
    previous_of(path).unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def _damage(path: Path) -> str | None:
    """Return in words why a file is not a whole checkpoint. None for a whole one."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - TRAILER))
        trailer = file.read()
        if not trailer.startswith(MARK):
            return "not a checkpoint with a digest (cut short, foreign or of an earlier version)"
        file.seek(0)
        content, left = hashlib.sha256(), size - TRAILER
        while left > 0 and (data := file.read(min(CHUNK, left))):
            content.update(data)
            left -= len(data)
    stated = trailer.removeprefix(MARK).strip()
    return None if content.hexdigest().encode() == stated else "damaged (its digest does not fit)"


def _loaded(path: Path, identity: Identity) -> dict[str, Any]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:
        raise UserError(
            f"{path}: not a readable checkpoint ({type(error).__name__}); delete it to start over"
        ) from None
    if not isinstance(state, dict) or not isinstance(state.get("identity"), dict):
        raise UserError(f"{path}: not a checkpoint of a training; delete it to start over")
    different = _differences(state["identity"], plain_identity(identity))
    if different:
        raise UserError(
            f"{path}: was written with {' and '.join(different)}; continue it with what it was "
            "made with, write to another folder, or delete it to start over"
        )
    return state


def _differences(was: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return in words what differs between two identities."""
    found = []
    for part in dict.fromkeys((*now, *was)):
        before, after = was.get(part), now.get(part)
        if before == after:
            continue
        words = WORDS.get(part, f"another {part}")
        if isinstance(before, dict) and isinstance(after, dict):
            words += f" ({', '.join(_changes(before, after))})"
        else:
            words += f" ({before}, not {after})"
        found.append(words)
    return found


def _changes(was: dict[str, Any], now: dict[str, Any], above: str = "") -> Iterator[str]:
    """Yield `key was, not now` for every dotted key whose value differs."""
    for key in dict.fromkeys((*now, *was)):
        before, after = was.get(key), now.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _changes(before, after, f"{above}{key}.")
        elif before != after:
            yield f"{above}{key} {before}, not {after}"


def plain_identity(identity: Identity) -> dict[str, Any]:
    """Return an identity with lists for tuples, as it comes back from a file."""
    return {str(key): _listed(value) for key, value in identity.items()}


def _listed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _listed(inner) for key, inner in value.items()}
    return [_listed(inner) for inner in value] if isinstance(value, list | tuple) else value


def _floats(state: Any) -> Iterator[Tensor]:
    """Yield the floating-point tensors of a nested state."""
    if isinstance(state, Tensor):
        if state.is_floating_point():
            yield state
    elif isinstance(state, Mapping):
        for inner in state.values():
            yield from _floats(inner)
    elif isinstance(state, list | tuple):
        for inner in state:
            yield from _floats(inner)
