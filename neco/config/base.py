"""The base of all settings. It refuses unknown keys by name and says the nearest valid one."""

import difflib
from collections.abc import Iterable
from typing import Annotated, Any, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from neco.errors import UserError

Validated = TypeVar("Validated", bound=BaseModel)

Seed = Annotated[int, Field(ge=0, lt=2**31)]
"""A seed that numpy, torch and faiss all take."""


def each_once(values: list[int]) -> list[int]:
    """Return the values. Raises ValueError where one of them stands twice."""
    twice = next((value for value in values if values.count(value) > 1), None)
    if twice is not None:
        raise ValueError(f"{twice} stands twice; its result would count twice")
    return values


Seeds = Annotated[list[Seed], Field(min_length=1), AfterValidator(each_once)]
"""One result for each; without any there would be none."""


def in_order(values: Any) -> Any:
    """Return the values whose first two are smallest and largest. Raises ValueError."""
    if values[0] > values[1]:
        raise ValueError(f"{values[0]} is more than {values[1]}; the smallest comes first")
    return values


Positive = Annotated[float, Field(gt=0.0)]
Share = Annotated[float, Field(gt=0.0, le=1.0)]
Range = Annotated[tuple[Positive, Positive], AfterValidator(in_order)]
"""Smallest and largest of something."""
Shares = Annotated[tuple[Share, Share], AfterValidator(in_order)]
"""Smallest and largest part of a whole."""
Sweep = Annotated[tuple[Positive, Positive, Positive], AfterValidator(in_order)]
"""First value, last value and step."""
Count = Annotated[int, Field(ge=1)]


class Settings(BaseModel):
    """A group of settings. Immutable, so that a digest of it stays true."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )


def nearest(name: str, choices: Iterable[str], listed: bool = True) -> str:
    """Return `'; did you mean 'x'?'` or the list of what there is, to close an error message.

    listed: False returns nothing in place of the list.
    """
    choices = sorted(set(choices))
    small = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(name.lower(), small, n=1, cutoff=0.5)
    if close:
        return f"; did you mean '{small[close[0]]}'?"
    return "; valid: " + ", ".join(choices) if choices and listed else ""


def merged(base: dict[str, Any], override: dict[str, Any]) -> dict[str, Any]:
    """Return `base` with the sparse `override` laid over it; mappings merge, all else replaces."""
    result = dict(base)
    for key, value in override.items():
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result


def _settings_at(model: type[BaseModel], location: tuple[Any, ...]) -> type[BaseModel] | None:
    """Return the model that the keys of an error location lead to, None where there is none."""
    current: Any = model
    for key in location:
        if isinstance(current, type) and issubclass(current, BaseModel):
            if not isinstance(key, str) or key not in current.model_fields:
                return None
            current = current.model_fields[key].annotation
        else:  # list[Model], dict[str, Model], Model | None: an index or a name picks the model
            current = model_inside(current)
            continue
        current = _unwrap_optional(current)
    found = current if isinstance(current, type) else model_inside(current)
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None


def _unwrap_optional(annotation: Any) -> Any:
    arguments = [item for item in get_args(annotation) if item is not type(None)]
    if type(None) in get_args(annotation) and len(arguments) == 1:
        return arguments[0]
    return annotation


def model_inside(annotation: Any) -> Any:
    """Return the model of settings in an annotation such as dict[str, Model], None without any."""
    for item in get_args(annotation):
        if isinstance(item, type) and issubclass(item, BaseModel):
            return item
        inner = model_inside(item)
        if inner is not None:
            return inner
    return None


def validated(model: type[Validated], values: dict[str, Any], where: str) -> Validated:
    """Return `values` as `model`.

    Raises UserError with one line that names `where`, the key, and the nearest valid key.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise UserError(_one_line(model, error, where)) from None


def _one_line(model: type[BaseModel], error: ValidationError, where: str) -> str:
    problems = []
    for item in error.errors():
        location = item["loc"]
        key = ".".join(str(part) for part in location)
        if item["type"] == "extra_forbidden":
            owner = _settings_at(model, location[:-1])
            hint = nearest(str(location[-1]), owner.model_fields if owner else [])
            problems.append(f"unknown key '{key}'{hint}")
        else:
            problems.append(
                f"{key + ': ' if key else ''}{item['msg'].removeprefix('Value error, ')}"
            )
    return f"{where}: " + "; ".join(problems)
