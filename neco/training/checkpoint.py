"""Checkpoints that hold everything: a resumed training continues as if never stopped."""

from pathlib import Path
from typing import Any

import torch

from neco.errors import UserError


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".partial")
    torch.save(state, unfinished)
    unfinished.replace(path)


def read_checkpoint(path: Path, settings_digest: str, device: torch.device) -> dict[str, Any]:
    """Return a checkpoint's state.

    Raises UserError when the file is broken or was written under other settings.
    """
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:
        raise UserError(
            f"{path}: not a readable checkpoint ({type(error).__name__}); delete it to start over"
        ) from None
    if state["settings_digest"] != settings_digest:
        raise UserError(
            f"{path}: was written under other training settings; delete it to start over, or "
            "restore the settings it was made with"
        )
    return state
