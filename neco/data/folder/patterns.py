"""Patterns of paths with `{id}`, `{split}` and `{folder}`: paths come in, what they mean comes out.

The names that splits have are here, too.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from neco.errors import UserError

SPLIT_NAMES = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "eval"), "val"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
    "trainval": "trainval",
    "trainaug": "trainaug",
}
"""What folders and lists are called, in lower case, and the split that each means."""
PLACES = {"{id}": "(?P<id>.+)", "{split}": "(?P<split>[^/]+)", "{folder}": "(?P<folder>[^/]+)"}
TOKEN = re.compile(r"(\{[^{}]*\}|\*)")


class Key(NamedTuple):
    """What an image and its mask have in common."""

    split: str
    """The folder in the place of `{split}`. It is empty where the pattern has none."""
    folder: str
    id: str


class Pattern:
    """One pattern of paths."""

    def __init__(self, text: str, where: object) -> None:
        """Compile a pattern. Raises UserError naming `where` for an unknown or repeated place."""
        self.text = text
        parts = []
        text = text.removeprefix("./")
        body, dot, suffix = text.rpartition(".")
        if "/" in suffix or "{" in suffix or "*" in suffix:
            body, dot, suffix = text, "", ""
        for token in TOKEN.split(body):
            if token.startswith("{") and token not in PLACES:
                raise UserError(
                    f"{where}: the pattern {text!r} has {token}; known are {', '.join(PLACES)} "
                    "and *"
                )
            parts.append(
                PLACES[token] if token in PLACES else "[^/]*" if token == "*" else re.escape(token)  # noqa: S105 (a piece of a pattern)
            )
        if any(text.count(place) > 1 for place in PLACES):
            raise UserError(f"{where}: the pattern {text!r} has a place twice; name each once")
        parts.append(f"(?i:{re.escape(dot + suffix)})")  # .PNG is .png
        self.regex = re.compile("".join(parts), re.DOTALL)
        self.has_split = "{split}" in text

    def key(self, path: str) -> Key | None:
        """Return what the pattern finds in a path, or None where the path does not fit."""
        found = self.regex.fullmatch(path)
        if not found:
            return None
        groups = found.groupdict()
        return Key(groups.get("split") or "", groups.get("folder") or "", groups.get("id") or "")


def literal_folder(text: str) -> str:
    """Return the leading folders of a pattern that hold no place: `images/` or nothing."""
    folders = []
    for part in text.split("/")[:-1]:
        if TOKEN.search(part):
            break
        folders.append(f"{part}/")
    return "".join(folders)


def as_split(name: str) -> str | None:
    """Return the split that a folder's or a list's name means, None where it means none.

    A year behind it (`train2017`) is no part of the name.
    """
    return SPLIT_NAMES.get(re.sub(r"[_-]?\d{4}$", "", name.lower()))


def are_splits(names: Iterable[str]) -> bool:
    """Return whether folders that lie together are splits, and not classes of which one is a train.

    They are splits where all of them are called like splits, and where there is a training split
    and a held-out one. Further folders are then no split.
    """
    names = set(names)
    meant = {as_split(name) for name in names} - {None}
    return bool(names) and (
        all(as_split(name) for name in names) or ("train" in meant and len(meant) > 1)
    )


def split_marked(name: str) -> tuple[str, str] | None:
    """Return (`{split}annot`, `train`) for `trainannot`; None for a name that holds no split."""
    words = "|".join(sorted(SPLIT_NAMES, key=len, reverse=True))
    found = re.search(rf"(?:^|(?<=[_.-]))({words})(?=\d*(?:$|[_.-])|annot)", name, re.IGNORECASE)
    if not found:
        return None
    return f"{name[: found.start()]}{{split}}{name[found.end() :]}", found[1]
