"""What the settings of every protocol share: presets, and the order in which layers of settings are
laid over each other."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, Field, ModelWrapValidatorHandler, model_validator

from neco.config.base import Settings, merged, validated


@dataclass(frozen=True)
class Preset:
    """A named starting point: sparse differences from the defaults.

    Every key that a preset sets can still be set alone. Each is a row of docs/deviations.md.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    on: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What differs besides on one dataset, by the dataset's name."""


class Evaluated(Settings):
    """Settings of a protocol. `paper` is the default preset of each.

    Only what was asked for counts as set (pydantic's `model_fields_set`), not what a preset fills
    in: so a preset that is named later still lies below the values that were asked for earlier.
    """

    presets: ClassVar[dict[str, Preset]] = {"paper": Preset()}

    absent: Literal["zero", "skip"] = "zero"
    """How a class that no ground-truth pixel shows counts in the mean IoU. `zero`: as an IoU of 0
    (released code). `skip`: it is left out."""
    ignored_class: Literal["left out", "zero"] = "left out"
    """How the ignored class counts in the mean IoU. `left out`: it does not. `zero`: as one more
    class with an IoU of 0, which can only lower the mean. The released code does so on ADE20K,
    where `other` is one of its 151 classes."""
    bootstrap: int = Field(1000, ge=0)
    """Number of resamplings of the images from which the 95 % interval of a result is computed.
    More of them make the ends of the interval steadier and take longer; 0 computes none."""

    @model_validator(mode="wrap")
    @classmethod
    def _over_preset(cls, values: Any, handler: ModelWrapValidatorHandler["Evaluated"]) -> Any:
        if not isinstance(values, dict):
            return handler(values)
        found = handler(merged(preset_of(cls, values).settings, values))
        _count_as_set(found, values)
        return found


class Gridded(Evaluated):
    """Settings of a protocol that brings masks or maps to another size by nearest neighbour."""

    resampling: Literal["centre", "floor"] = "centre"
    """Which pixel a cell of a resized map or mask reads. `centre`: the one at the cell's centre.
    `floor`: the one at its upper left corner, as PyTorch's `nearest` and the released code do; some
    cells then read the patch beside their own."""


Chosen = TypeVar("Chosen", bound=Evaluated)


def preset_of(model: type[Evaluated], asked: dict[str, Any]) -> Preset:
    """Return the preset that settings name; an empty one where the name is unknown."""
    name = asked.get("preset", "paper")
    return model.presets.get(name, Preset()) if isinstance(name, str) else Preset()


def laid(model: type[Chosen], layers: list[dict[str, Any]], dataset: str, where: str) -> Chosen:
    """Return the settings of a protocol on a dataset.

    Default < preset < what the preset says of the dataset < each of the sparse `layers` in order.
    The preset is the one that the last layer names. Raises UserError that names `where`.
    """
    asked: dict[str, Any] = {}
    for layer in layers:
        asked = merged(asked, layer)
    return validated(model, merged(preset_of(model, asked).on.get(dataset, {}), asked), where)


def _count_as_set(found: BaseModel, asked: dict[str, Any]) -> None:
    fields = set(asked) & set(type(found).model_fields)
    object.__setattr__(found, "__pydantic_fields_set__", fields)  # frozen for everybody else
    for key in fields:
        inner = getattr(found, key)
        if isinstance(inner, BaseModel) and isinstance(asked[key], dict):
            _count_as_set(inner, asked[key])
