"""What each dataset needs: a dataset's name comes in, its archives and their addresses come out.

They are read from sources.yaml.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from neco.config.base import nearest


@dataclass(frozen=True)
class Archive:
    """One official archive."""

    name: str
    url: str
    size: int
    """Its bytes, or about how many where `size_is_exact` is false."""
    size_is_exact: bool
    digest: str
    """`algorithm:hex`, empty where none is published."""
    digest_from: str
    licence: str


@dataclass(frozen=True)
class Needs:
    """What the preparation of one dataset reads."""

    required: tuple[str, ...]
    optional: tuple[str, ...]


@cache
def _table() -> dict[str, Any]:
    text = files("neco.data").joinpath("sources.yaml").read_text(encoding="utf-8")
    table: dict[str, Any] = yaml.safe_load(text)
    return table


@cache
def archives() -> dict[str, Archive]:
    """Return every official archive by name."""
    return {
        name: Archive(
            name=name,
            url=entry["url"],
            size=entry.get("bytes", entry.get("about", 0)),
            size_is_exact="bytes" in entry,
            digest=entry.get("digest", ""),
            digest_from=entry.get("from", ""),
            licence=entry["licence"],
        )
        for name, entry in _table()["archives"].items()
    }


def dataset_names() -> list[str]:
    """Return the datasets that the project knows by name."""
    return list(_table()["datasets"])


def archives_of(dataset: str) -> Needs:
    """Return the archives that preparing `dataset` reads.

    A name that is none of `dataset_names()` stands for a folder of the user's own images, which is
    then the one thing needed.
    """
    entry = _table()["datasets"].get(dataset)
    if entry is None:
        return Needs((dataset,), ())
    return Needs(tuple(entry["needs"]), tuple(entry.get("optional", ())))


def needed_for(dataset: str, splits: Iterable[str]) -> list[str]:
    """Return the archives that preparing these splits reads. VOC's `trainaug` needs SBD too."""
    needs = archives_of(dataset)
    return [*needs.required, *(needs.optional if "trainaug" in splits else ())]


def prerequisites_of(dataset: str) -> tuple[str, ...]:
    """Return the prepared datasets whose images `dataset` shares."""
    return tuple(_table()["datasets"].get(dataset, {}).get("after", ()))


def is_folder(name: str) -> bool:
    """Return whether a needed "archive" is a folder of images that the user brings."""
    return not Path(name).suffix


def hint(name: str) -> str:
    """Return `; did you mean ...?` for a name that is neither an archive nor a dataset.

    Where nothing is near, a folder's name is followed by the datasets that have one. A file may be
    of weights, which no list of archives helps to find.
    """
    known = {*dataset_names(), *archives()}
    if name in known:
        return ""
    close = nearest(name, known, listed=False)
    return close or (nearest(name, dataset_names()) if is_folder(name) else "")
