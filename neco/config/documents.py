"""The documented default file and the JSON schema, made from the models of settings.

`config/defaults.yaml` and `config/schema.json` are these texts; a test fails when they differ.
"""

import json
import textwrap
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from neco.config.base import model_inside
from neco.config.project import Project
from neco.config.training import Train

OPENING = """\
# Every setting with its default. `python -m neco config` writes this file, and no run reads it:
# a configuration states only what differs. `train` shows the paper's training. Behind a value
# stands what it may be. "paper" is the paper, "released code" the code that its authors published.
"""
WIDTH = 100
"""Characters of a line of comment."""


def schema_document() -> str:
    """Return the JSON schema of a project, for editors and validators."""
    schema = Project.model_json_schema()
    schema["properties"]["train"] = {"$ref": "#/$defs/Train"}
    training = Train.model_json_schema()
    schema["$defs"] |= training.pop("$defs") | {"Train": training}
    return json.dumps(schema, indent=1) + "\n"


def defaults_document() -> str:
    """Return every setting as commented YAML, in the order of the models."""
    lines = _lines(Project, Project().model_dump(mode="json"), 0)
    return OPENING + "\n".join(lines) + "\n"


def _lines(model: type[BaseModel], values: dict[str, Any], depth: int) -> list[str]:
    indent = "  " * depth
    lines: list[str] = []
    for name, field in model.model_fields.items():
        inner = field.annotation
        if name == "train" and model is Project:
            inner, values = Train, {**values, name: Train().model_dump(mode="json")}
        group = inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None
        if not depth:
            lines.append("")
        lines += _comment(field.description or (group and group.__doc__) or "", indent)
        if group:
            lines.append(f"{indent}{name}:")
            lines += _lines(group, values[name], depth + 1)
        else:
            lines.append(f"{indent}{name}: {_inline(values[name])}{_allowed(field)}")
            lines += _keys(field.annotation, depth)
    return lines


def _keys(annotation: Any, depth: int) -> list[str]:
    """Return what may stand inside a setting that is empty by default, as lines of comment."""
    model = model_inside(annotation)
    if model is None:
        return []
    several = get_origin(annotation) in (dict, list)
    opening = "Each of them has these keys:" if several else "It has these keys:"
    values = {
        name: None if field.is_required() else field.get_default()
        for name, field in model.model_fields.items()
    }
    place = 2 * depth
    inner = [f"{line[:place]}#{line[place + 1 :]}" for line in _lines(model, values, depth + 2)]
    return [f"{'  ' * depth}# {opening}", *inner]


def _comment(text: str, indent: str) -> list[str]:
    """Return a docstring as comment lines of at most WIDTH characters."""
    sign = f"{indent}# "
    together = " ".join(text.split())
    return textwrap.wrap(
        together, WIDTH, initial_indent=sign, subsequent_indent=sign,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _inline(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=1000).strip().removesuffix("\n...")


def _allowed(field: FieldInfo) -> str:
    """Return a comment on what a value may be: its choices or its bounds, else nothing."""
    if field.is_required():
        return "  # must be given"
    if get_origin(field.annotation) is Literal:
        return "  # " + " | ".join(get_args(field.annotation))
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    bounds = [
        f"{sign} {bound if isinstance(bound, int) else format(bound, 'g')}"
        for limit in field.metadata
        for key, sign in signs.items()
        if (bound := getattr(limit, key, None)) is not None
    ]
    return f"  # {', '.join(bounds)}" if bounds else ""
