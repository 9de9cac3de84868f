"""From a YAML file to a Project, and the digest of settings that a result carries."""

import hashlib
import json
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from neco.config.base import merged, validated
from neco.config.project import Project
from neco.errors import UserError
from neco.files import read_text


def load_project(
    path: Path, override: dict[str, Any] | None = None, below: dict[str, Any] | None = None
) -> Project:
    """Return the project that a YAML file describes, with `override` over and `below` under it.

    Raises UserError for a missing file, broken YAML, or an unknown or impossible setting.
    """
    values = merged(below or {}, with_included(read_mapping(path), path.parent))
    return validated(Project, merged(values, override or {}), str(path))


def with_included(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return `values` laid over the files of `folder` that its key `include` names, in order."""
    names = values.get("include", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UserError("include: write a list of names of files beside this configuration")
    below: dict[str, Any] = {}
    for name in names:
        below = merged(below, with_included(read_mapping(folder / name), folder))
    return merged(below, {key: value for key, value in values.items() if key != "include"})


def read_mapping(path: Path) -> dict[str, Any]:
    """Return the mapping that a YAML file holds. Raises UserError where there is none."""
    try:
        values = yaml.safe_load(read_text(path, "configuration; see config/ for those that ship"))
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not YAML, mend it: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise UserError(
            f"{path}: a configuration is a mapping of settings; write lines like `name: mine`"
        )
    return values


def digest(settings: BaseModel) -> str:
    """Return 12 hex digits that change with any setting (sha256 of the canonical JSON)."""
    text = json.dumps(settings.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
