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

SHIPPED = Path("config")
"""Configurations that ship, seen from the repository's folder: what is included may lie here."""


def load_project(
    path: Path, override: dict[str, Any] | None = None, below: dict[str, Any] | None = None
) -> Project:
    """Return the project that a YAML file describes, with `override` over and `below` under it.

    Raises UserError for a missing file, broken YAML, or an unknown or impossible setting.
    """
    values = merged(below or {}, with_included(read_mapping(path), path.parent, SHIPPED))
    return validated(Project, merged(values, override or {}), str(path))


def with_included(
    values: dict[str, Any], *folders: Path, within: tuple[Path, ...] = ()
) -> dict[str, Any]:
    """Return `values` laid over the files that its key `include` names, in order.

    folders: where they are looked for, in order; what an included file includes may lie beside it
    too. within: the files that have led here. Raises UserError for a file that is nowhere or that
    includes itself.
    """
    names = values.get("include", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UserError("include: write a list of names of files beside this configuration")
    below: dict[str, Any] = {}
    for name in names:
        found = next((f / name for f in folders if (f / name).is_file()), folders[0] / name)
        path = (*within, found.resolve())
        if path[-1] in within:
            circle = " includes ".join(file.name for file in path)
            raise UserError(f"include: {circle}; break this circle")
        inner = with_included(read_mapping(found), found.parent, *folders, within=path)
        below = merged(below, inner)
    return merged(below, {key: value for key, value in values.items() if key != "include"})


class _Once(yaml.SafeLoader):
    """Reads YAML in which no key stands twice, of which the first would be lost."""

    def construct_document(self, node: yaml.Node) -> Any:
        """Return what a document holds. Raises ConstructorError for a key that stands twice."""
        _refuse_twice(node, set())  # before merge keys (`<<`) are written out, which repeats keys
        return super().construct_document(node)


def _refuse_twice(node: yaml.Node, looked_at: set[int]) -> None:
    """Raise ConstructorError where a mapping in this node has a key twice."""
    if id(node) in looked_at:  # an alias
        return
    looked_at.add(id(node))
    keys: set[str] = set()
    for part in node.value if isinstance(node, yaml.CollectionNode) else ():
        key, *values = part if isinstance(node, yaml.MappingNode) else (None, part)
        for value in values:
            _refuse_twice(value, looked_at)
        if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
            if key.value in keys:
                told = f"the key '{key.value}' stands twice; keep one"
                raise yaml.constructor.ConstructorError(None, None, told, key.start_mark)
            keys.add(key.value)


def read_mapping(path: Path) -> dict[str, Any]:
    """Return the mapping that a YAML or JSON file holds. Raises UserError where there is none."""
    text = read_text(path, "configuration; see config/ for those that ship")
    if path.suffix == ".json":  # which is YAML too, but for tabs
        text = text.expandtabs()
    try:
        values = yaml.load(text, _Once)  # noqa: S506 (a safe loader)
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
