"""Masks of your own: files with ids or colours come in, class ids come out."""

import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from neco.config.folder import Folder
from neco.data.dataset import BROKEN_IMAGE, IGNORED
from neco.data.left_out import UnusableError
from neco.data.photographs import SUFFIXES as IMAGE_SUFFIXES
from neco.data.photographs import damaged, turned_upright
from neco.errors import UserError

SUFFIXES = {*IMAGE_SUFFIXES, ".npy"}
MOST = 255
"""Most classes: a mask has 8 bits, and 255 stands for ignored."""
Kind = Literal["ids", "colours"]
SMALL = 1 << 16


def read_values(data: bytes, where: Path, upright: bool = True) -> np.ndarray:
    """Return what a mask's file holds: ids, any integer type (H, W), or colours, uint8 (H, W, 3).

    A colour image whose channels are equal everywhere holds ids. So does a grey image with
    transparency, and the transparency is not looked at. Raises UnusableError naming `where` for a
    file that cannot be read as a mask.
    """
    values = _numpy(data, where) if where.suffix.lower() == ".npy" else _image(data, where, upright)
    if values.ndim == 3 and (values == values[..., :1]).all():
        return values[..., 0]
    return values


def _numpy(data: bytes, where: Path) -> np.ndarray:
    try:
        values = np.load(io.BytesIO(data), allow_pickle=False)
    except Exception as error:  # NumPy raises a dozen kinds on damaged files
        reason = " ".join(str(error).split())[:120]
        raise UnusableError(
            "truncated or damaged",
            f"{where}: cannot be read as a NumPy array ({reason}); replace it",
        ) from None
    if not isinstance(values, np.ndarray):
        raise UnusableError("no mask", f"{where}: is no single NumPy array; save each mask alone")
    if values.ndim == 3 and 1 in (values.shape[0], values.shape[2]):
        values = values.squeeze(0 if values.shape[0] == 1 else 2)
    colours = values.ndim == 3 and values.shape[2] == 3 and values.dtype == np.uint8
    if not colours and (values.ndim != 2 or values.dtype.kind not in "biuf"):
        raise UnusableError(
            "no mask",
            f"{where}: an array of {values.dtype} with shape {values.shape}, not ids (H, W) or "
            "colours of 8 bits (H, W, 3); save it so",
        )
    return values if colours else _whole(values, where)


def _image(data: bytes, where: Path, upright: bool) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            turned = turned_upright(image) if upright else image
            if turned.mode in ("L", "P", "1", "F") or turned.mode.startswith("I"):
                return _whole(np.array(turned), where)
            if turned.mode in ("LA", "La", "PA"):
                return np.array(turned.getchannel(0))
            return np.array(turned.convert("RGB"))
    except BROKEN_IMAGE as error:
        found = damaged(error, where)
        raise UnusableError(found.reason, str(found).replace("image", "mask", 1)) from None


def palette_colours(data: bytes) -> np.ndarray | None:
    """Return the colours of a palette mask, uint8 (H, W, 3), None for any other kind of image."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return np.array(image.convert("RGB")) if image.mode in ("P", "PA") else None
    except BROKEN_IMAGE:
        return None


def _whole(values: np.ndarray, where: Path) -> np.ndarray:
    """Return ids as integers. Raises UnusableError for fractions."""
    if values.dtype == bool:
        return values.astype(np.uint8)
    if values.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            ids = values.astype(np.int64)
        if not (ids == values).all():
            raise UnusableError("no mask", f"{where}: holds fractions, not ids; save whole numbers")
        return ids
    return values


def colour_numbers(colours: np.ndarray) -> np.ndarray:
    """Return colours (H, W, 3) as one number each, int32 (H, W): 65536 R + 256 G + B."""
    red, green, blue = colours.astype(np.int32).transpose(2, 0, 1)
    return (red << 16) + (green << 8) + blue


def values_in(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct values of a mask, sorted, and how many pixels hold each."""
    if values.dtype == np.uint8:
        counts = np.bincount(values.ravel(), minlength=256)
        return np.flatnonzero(counts), counts[counts > 0]
    return np.unique(values, return_counts=True)


def colour_text(number: int) -> str:
    """Return a colour number as `#804000`."""
    return f"#{number:06x}"


def colour_number(text: str) -> int:
    """Return `#804000` or `128 64 0` (or with commas) as a colour number. Raises ValueError."""
    if found := re.fullmatch(r"#?([0-9a-fA-F]{6})", text.strip()):
        return int(found[1], 16)
    parts = [int(part) for part in re.split(r"[\s,;]+", text.strip("()[] \t"))]
    if len(parts) not in (3, 4) or not all(0 <= part <= 255 for part in parts):
        raise ValueError(text)
    return (parts[0] << 16) + (parts[1] << 8) + parts[2]


@dataclass(frozen=True)
class ClassMap:
    """Which class every id or colour means."""

    kind: Kind
    names: tuple[str, ...]
    table: dict[int, int]
    """Class id, or 255, of every id or colour number."""
    others: bool = False
    """Whether values that the table does not hold are ignored. Else they are refused."""

    def labels(self, values: np.ndarray, where: Path, data: bytes = b"") -> np.ndarray:
        """Return the class ids, uint8 (H, W) with 255 for ignored, of what `read_values` returned.

        data: the file's content, which has the colours of a palette. Raises UserError naming
        `where` and the remedy for an id or a colour that means nothing.
        """
        if self.kind == "colours":
            values = self._numbers(values, data)
        elif values.ndim == 3:
            raise UserError(
                f"{where}: holds colours, not label ids; run `neco look` on the folder, or give "
                "`classes` as a map from colours to names in dataset.yaml"
            )
        found, counts = values_in(values)
        meant = np.array([self.table.get(int(v), IGNORED if self.others else -1) for v in found])
        if (meant < 0).any():
            self._refuse(where, int(found[meant < 0][0]), counts[meant < 0][0] / values.size)
        if values.dtype == np.uint8:
            lookup = np.zeros(256, dtype=np.uint8)
            lookup[found] = meant
            return lookup[values]
        labels: np.ndarray = meant.astype(np.uint8)[np.searchsorted(found, values)]
        return labels

    def _numbers(self, values: np.ndarray, data: bytes) -> np.ndarray:
        if values.ndim == 3:
            return colour_numbers(values)
        colours = palette_colours(data)
        return colour_numbers(np.stack([values] * 3, axis=-1) if colours is None else colours)

    def _refuse(self, where: Path, value: int, share: float) -> None:
        if self.kind == "colours":
            text = f'"{colour_text(value)}"'
            raise UserError(
                f"{where}: the colour {text} ({share:.1%} of its pixels) means no class; name it "
                f"in `classes`, or write `ignore: [{text}]` (or `ignore: others`) into dataset.yaml"
            )
        ids = sorted(key for key, meant in self.table.items() if meant != IGNORED)
        consecutive = ids == list(range(len(ids)))
        known = f"0 to {len(ids) - 1}" if consecutive else ", ".join(map(str, ids[:40]))
        from_one = ""
        if consecutive and value == len(ids):
            named = ", ".join(f"{i + 1}: {name}" for i, name in enumerate(self.names))
            from_one = f"; if ids begin at 1, write `classes: {{{named}}}`"
            from_one += " and `ignore: [0]` where 0 is unlabelled"
        raise UserError(
            f"{where}: impossible label {value} ({share:.1%} of its pixels); there are "
            f"{len(self.names)} classes ({known}) and 255 for ignored pixels; if {value} is "
            f"unlabelled, write `ignore: [{value}]` into dataset.yaml{from_one}"
        )


def class_map(settings: Folder, where: object) -> ClassMap:
    """Return the classes of a folder whose setting `classes` is known.

    Raises UserError naming `where` for colours that are none, or more classes than a mask can hold.
    """
    classes = settings.classes or []
    kind: Kind = "ids"
    if isinstance(classes, list):
        keys: list[int] = list(range(len(classes)))
        meanings = classes
        if len(set(classes)) < len(classes):
            twice = next(name for name in classes if classes.count(name) > 1)
            raise UserError(
                f"{where}: names the class '{twice}' twice; for ids that share a class write "
                "`classes` as a map from ids to names into dataset.yaml"
            )
    else:
        if not all(isinstance(key, int) for key in classes):
            kind = "colours"
        keys = [_key(key, kind, where) for key in classes]
        meanings = list(classes.values())
    names = tuple(dict.fromkeys(meanings))
    if len(names) > MOST:
        raise UserError(f"{where}: {len(names)} classes; a mask holds at most {MOST}")
    table = {key: names.index(name) for key, name in zip(keys, meanings, strict=True)}
    ignore = settings.ignore
    ignored = [IGNORED] if kind == "ids" else []
    if isinstance(ignore, list):
        ignored += [_key(entry, kind, where) for entry in ignore]
        for entry in ignored[-len(ignore) :] if ignore else []:
            if entry in table:
                shown = entry if kind == "ids" else colour_text(entry)
                raise UserError(
                    f"{where}: {shown} is ignored, but also the class '{names[table[entry]]}'; "
                    "keep one of both"
                )
    return ClassMap(
        kind, names, {**dict.fromkeys(ignored, IGNORED), **table}, others=ignore == "others"
    )


def _key(entry: int | str, kind: Kind, where: object) -> int:
    try:
        if kind == "ids":
            return int(entry)
        return colour_number(entry if isinstance(entry, str) else colour_text(entry))
    except ValueError:
        what = "id" if kind == "ids" else 'colour like "#804000" or "128 64 0"'
        raise UserError(f"{where}: {entry!r} is no {what}") from None
