"""What is exported: a run's folder or a weights file, and what the run's own record says of it."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from neco.backbones.checkpoint import is_safetensors, refuse_no_weights
from neco.backbones.registry import backbone_spec
from neco.errors import UserError
from neco.files import read_json
from neco.run_files import ABOUT, FIT_RECORD, FIT_RUN, WEIGHTS

NAME_IT = "say what it is of by `--backbone NAME`, in Python `backbone=NAME` (docs/backbones.md)"


@dataclass(frozen=True)
class Source:
    """A backbone's name, the file of its weights, and what is known of how they came to be."""

    backbone: str
    weights: Path
    record: dict[str, Any] = field(default_factory=dict)
    """training.json of a run; empty for a file alone."""


def source_of(path: Path, backbone: str | None = None) -> Source:
    """Return what `path` holds: the folder of `neco fit` or `neco train`, or a weights file.

    backbone: its name, for a file or a run that does not say it. Raises UserError where the place
    holds nothing to export, a training that is not finished, or the name is not known.
    """
    if path.is_dir():
        return _run(path, backbone)
    if not path.exists():
        raise UserError(f"{path}: no such run or weights file; name what `neco train` wrote")
    is_safetensors(path)  # a file that is no weights at all is told first
    written = _written_name(path)
    name = backbone or written
    if name is None:
        refuse_no_weights(path)
        raise UserError(f"{path}: does not say whose weights it holds; {NAME_IT}")
    if name != written and not backbone_spec(name).architecture:
        raise UserError(f"{path}: {name} has no network that a file could fill; {NAME_IT}")
    return Source(name, path)


def _run(folder: Path, backbone: str | None) -> Source:
    inner = folder / FIT_RUN
    if not (folder / ABOUT).exists() and inner.is_dir():
        return _run(inner, backbone)
    if not (folder / ABOUT).exists():
        raise UserError(f"{folder}: {_why_no_run(folder)}")
    record = read_json(folder / ABOUT, "record of a training", "train again")
    if not isinstance(record, dict) or not (folder / WEIGHTS).exists():
        raise UserError(f"{folder}: its {ABOUT} or {WEIGHTS} is damaged or gone; train again")
    name = backbone or record.get("backbone")
    if not name:
        raise UserError(f"{folder / ABOUT}: does not name the backbone; {NAME_IT}")
    return Source(name, folder / WEIGHTS, record)


def _why_no_run(folder: Path) -> str:
    if any(folder.glob("checkpoint*.ckpt")):
        return "its training is not finished; call the command that started it again"
    if (folder / FIT_RECORD).exists():
        return "its `neco fit` is not finished; call the same command again"
    if (folder / "config.json").exists():
        return "is a model folder already (config.json); timm loads it as local-dir:FOLDER"
    return (
        f"holds no run ({ABOUT}) and no exported model (config.json); name the folder that "
        "`neco fit`, `neco train` or `neco export` wrote, or a weights file"
    )


def _written_name(file: Path) -> str | None:
    """Return the backbone that a file of `neco weights` names in its metadata, else None."""
    try:
        with safe_open(file, framework="pt") as content:
            about = json.loads((content.metadata() or {}).get("about", "{}"))
        return about.get("backbone") if isinstance(about, dict) else None
    except (SafetensorError, OSError, ValueError):
        return None
