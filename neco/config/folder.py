"""What `dataset.yaml` in a folder of your own images says. A key that is left out is guessed."""

import re
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from neco.config.base import Settings

SPLIT = r"^[a-z0-9]+$"


class FolderSplit(Settings):
    """Where one split differs from what the file says of all splits."""

    folder: str | None = None
    """What `{split}` stands for in the patterns (default: the split's own name)."""
    list: str | None = None
    """Text file that names the split's images, one on each line, with or without suffix and
    folders."""


class Folder(Settings):
    """A folder of images, with or without masks. A key that is left out is guessed, and the guess
    is printed."""

    images: str | None = None
    """Pattern of the images' paths, as `images/{split}/{id}.jpg`. `{id}` is what an image and its
    mask have in common (folders included), `{split}` the split's folder, `{folder}` one more
    folder, `*` any part of a name."""
    masks: str | None = None
    """Pattern of the masks' paths, as `masks/{split}/{id}.png`; empty where there are none."""
    annotations: str | None = None
    """Pattern of COCO JSON files, as `annotations/{split}.json`, in place of `masks`."""
    splits: dict[str, FolderSplit] | None = None
    """The splits by name, in lower case letters and digits. By default they come from the folders
    that `{split}` finds, else from `train.txt` and `val.txt`, else from `hold_out`."""
    hold_out: int = Field(5, ge=2)
    """Of labelled images without splits, one of so many becomes `val`, in alphabetical order. A
    higher value holds out fewer images (default: 5, every fifth image)."""
    classes: list[str] | dict[int, str] | dict[str, str] | None = None
    """Names of the classes: a list in the order of the ids from 0, or a map from ids or colours
    (`"#804000"` or `"128 64 0"`) to names. Ids or colours with the same name are one class."""
    ignore: list[int | str] | Literal["others"] | None = None
    """Ids or colours that are not scored, or `others`: all that `classes` does not name (default:
    id 255 unless it names a class, and no colour)."""
    background: bool | None = None
    """Whether the first class is background (default: where its name says so)."""
    unannotated: Literal["background", "ignored"] = "background"
    """What a pixel is that no annotation covers: `background` (default), a class of its own before
    the others, or `ignored`, not scored. Where annotations overlap, the smaller one counts."""
    orientation: Literal["upright", "stored"] = "upright"
    """How images and masks are turned: `upright` (default), as their EXIF data say, or `stored`,
    not at all, for masks that were drawn on the stored pixels."""
    skip: int = Field(0, ge=0)
    """How many files that cannot be used may be left out, each of them printed. One more is an
    error (default: 0)."""

    @field_validator("splits", mode="before")
    @classmethod
    def _bare(cls, value: Any) -> Any:
        """Take `train:` without anything, and a list of names, as splits without settings."""
        if isinstance(value, list):
            value = dict.fromkeys(value)
        if isinstance(value, dict):
            return {key: {} if entry is None else entry for key, entry in value.items()}
        return value

    @field_validator("classes", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        """Take numbers as names and numbers in quotes as ids; refuse what YAML made of `no`."""
        if value is None:
            return value
        names = value.values() if isinstance(value, dict) else value
        if not isinstance(value, list | dict) or any(isinstance(n, bool | None) for n in names):
            raise ValueError(
                "write a list of names, or a map from ids or colours to names (a name like no, "
                "yes, on or null in quotes)"
            )
        if any(not isinstance(name, str | int | float) for name in names):
            raise ValueError("every name is one word or text in quotes")
        if not value:
            raise ValueError("name at least one, or leave the key out")
        if isinstance(value, list):
            return [str(name) for name in value]
        keys = [int(k) if isinstance(k, str) and k.isdecimal() and len(k) < 6 else k for k in value]
        if len({type(key) for key in keys}) > 1 or not isinstance(keys[0], int | str):
            raise ValueError('name all classes by ids, or all by colours like "#804000"')
        return {key: str(name) for key, name in zip(keys, names, strict=True)}

    @model_validator(mode="after")
    def _consistent(self) -> "Folder":
        for name in self.splits or {}:
            if not re.match(SPLIT, name):
                raise ValueError(f"splits: {name!r} is no name of lower case letters and digits")
        if self.masks and self.annotations:
            raise ValueError("masks and annotations exclude each other; keep one")
        return self
