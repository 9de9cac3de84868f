"""What masks hold: files come in, their ids or colours come out, with how many pixels have each."""

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from neco.data.folder.labels import (
    Kind,
    colour_numbers,
    colour_text,
    palette_colours,
    read_values,
    values_in,
)
from neco.data.left_out import Unusable, UnusableError
from neco.data.pool import run_all

MOST_MASKS = 500
"""Most masks that are looked at. Of more, this many are taken at even distances."""
MOST_VALUES = 1000
"""Most distinct values of a mask. A file with more is a photograph."""


@dataclass
class Survey:
    """The values of a folder's masks."""

    kind: Kind = "ids"
    masks: int = 0
    total: int = 0
    """How many masks there are, of which `masks` were looked at."""
    pixels: Counter[int] = field(default_factory=Counter)
    """How many pixels have each id or colour number."""
    held_by: Counter[int] = field(default_factory=Counter)
    """How many masks hold each id or colour number."""
    unusable: list[Unusable] = field(default_factory=list)

    def values(self) -> list[int]:
        """Return the ids in their order, or the colours by falling share."""
        if self.kind == "ids":
            return sorted(self.pixels)
        return [value for value, _ in self.pixels.most_common()]

    def shown(self, value: int) -> str:
        """Return an id or a colour as dataset.yaml writes it."""
        return str(value) if self.kind == "ids" else f'"{colour_text(value)}"'

    def share(self, value: int) -> str:
        """Return `12.3 % of the pixels, in 4 masks`."""
        percent = 100 * self.pixels[value] / max(1, self.pixels.total())
        masks = self.held_by[value]
        return f"{percent:.3g} % of the pixels, in {masks:,} mask{'s' if masks > 1 else ''}"


@dataclass(frozen=True)
class _Found:
    kind: Kind
    values: dict[int, int]
    as_colours: dict[int, int]
    """The same for a grey mask that is read as colours."""


def survey(masks: list[Path], upright: bool = True, workers: int | None = None) -> Survey:
    """Return what the masks hold: colours where some mask has any, and else ids."""
    step = max(1, -(-len(masks) // MOST_MASKS))
    chosen = masks[::step]
    result = Survey(total=len(masks))
    found = run_all(partial(_look, upright=upright), chosen, len(chosen), "masks", workers)
    usable = [entry for entry in found if isinstance(entry, _Found)]
    result.unusable = [entry for entry in found if isinstance(entry, Unusable)]
    result.masks = len(usable)
    result.kind = "colours" if any(entry.kind == "colours" for entry in usable) else "ids"
    for entry in usable:
        values = entry.values if entry.kind == result.kind else entry.as_colours
        result.pixels.update(values)
        result.held_by.update(values.keys())
    return result


def _look(mask: Path, upright: bool) -> _Found | Unusable:
    try:
        data = mask.read_bytes()
        values = read_values(data, mask, upright)
    except UnusableError as error:
        return error.entry()
    except OSError as error:
        return Unusable("unreadable", f"{mask}: cannot be read ({error.strerror})")
    if values.ndim == 3:
        return _Found("colours", _counted(colour_numbers(values)), {})
    colours = palette_colours(data)
    if colours is None and values.dtype == np.uint8:
        colours = np.stack([values] * 3, axis=-1)
    as_colours = {} if colours is None else _counted(colour_numbers(colours))
    return _Found("ids", _counted(values), as_colours)


def _counted(values: np.ndarray) -> dict[int, int]:
    found, counts = values_in(values)
    largest = np.argsort(counts)[::-1][:MOST_VALUES]
    return {int(found[i]): int(counts[i]) for i in largest}
