"""Preparing a dataset: official archives or your own folder come in, the common layout comes out.

It appears whole or not at all.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from neco.data.folder.build import build as build_folder
from neco.data.left_out import counted
from neco.data.sources import archives_of, dataset_names, is_folder, prerequisites_of
from neco.data.writing import (
    Description,
    counts,
    never_labelled,
    refuse_unlabelled,
    write_description,
)
from neco.errors import UserError
from neco.files import refuse_no_folder, whole_folder
from neco.progress import console

OURS = {"images", "converted", "masks", "shards", "index.csv", "classes.json"}
"""What a prepared folder holds beside hidden files. One with anything else is never replaced."""

VERSIONS: dict[str, int] = {}
"""Versions of the code that prepares each dataset; 1 where the dataset is not named. `folder`
stands for folders of one's own. Raise it with every change that makes another dataset of the same
input. The workflow then prepares anew."""

SHOWN = 10
"""How many classes without a pixel are named."""


def version_of(dataset: str) -> int:
    """Return the version of the code that prepares a dataset."""
    return VERSIONS.get(dataset if dataset in dataset_names() else "folder", 1)


@dataclass(frozen=True)
class Summary:
    """What a preparation wrote."""

    dataset: str
    folder: Path
    images: dict[str, int]
    """How many images each split has."""
    classes: int
    left_out: dict[str, int] = field(default_factory=dict)
    """How many images of the archive carry no labels, by split."""
    seconds: float = 0.0
    reasons: dict[str, int] = field(default_factory=dict)
    """Why files of the folder were not taken, and how many."""
    remarks: tuple[str, ...] = ()
    """What was guessed or noticed."""

    def __str__(self) -> str:
        images = ", ".join(f"{count:,} {split}" for split, count in self.images.items())
        text = f"{self.dataset}: {images} images"
        text += f", {self.classes} classes" if self.classes else ", unlabelled"
        if any(self.left_out.values()):
            left = ", ".join(f"{count:,} {split}" for split, count in self.left_out.items())
            text += f"; left out without labels: {left}"
        lines = [*self.remarks]
        if self.reasons:
            lines.append(f"left out: {counted(self.reasons.items())}")
        return "\n".join([f"{text} ({self.seconds:.1f} s) -> {self.folder}", *lines])


def prepare_folder(
    folder: Path,
    into: Path,
    *,
    workers: int | None = None,
    skip: int | None = None,
    labels: bool = True,
) -> Summary:
    """Turn a folder of one's own images into a prepared dataset at `into`, called like the folder.

    skip: how many files may be unusable. None stands for as many as the folder's dataset.yaml says,
    or 0. labels: whether masks are read. Without them, the images are for training only, and
    nothing has to name classes. The rest is as in `prepare`.
    """
    folder = folder.resolve()
    if into.resolve().is_relative_to(folder):
        raise UserError(
            f"{into}: lies inside of the folder that is prepared; name another `--into`, beside it"
        )
    return _prepared(
        folder.name, into, lambda work, _: build_folder(folder, work, workers, skip, labels)
    )


def prepare(
    dataset: str,
    archives: Path,
    into: Path,
    *,
    prepared: Path,
    workers: int | None = None,
    skip: int | None = None,
) -> Summary:
    """Turn archives into a prepared dataset at `into`, and return what was written.

    archives: the folder that holds the archives under their official names. prepared: the folder
    of prepared datasets, where those of `prerequisites_of(dataset)` lie. A name that is no official
    dataset stands for the folder `archives/<name>` of the user's own images (`prepare_folder`).

    Everything is written to a temporary folder beside `into` and renamed at the end. So after an
    error or an interrupt `into` is as it was. Raises UserError for anything wrong with the input.
    """
    if dataset not in dataset_names():
        return prepare_folder(archives / dataset, into, workers=workers, skip=skip)
    if archives.exists():
        refuse_no_folder(archives, "the archives", "--archives")
    if prerequisites_of(dataset) and into.resolve().parent != prepared.resolve():
        raise UserError(
            f"{into}: {dataset} refers to images of {', '.join(prerequisites_of(dataset))} and "
            f"must lie beside it, in {prepared}"
        )
    module = import_module(f"neco.data.{dataset.replace('-', '_')}")
    further = {"skip": skip} if is_folder(archives_of(dataset).required[0]) else {}
    return _prepared(
        dataset,
        into,
        lambda work, prepared: module.build(archives, work, prepared, workers, **further),
    )


def _prepared(dataset: str, into: Path, build: Callable[[Path, Path], Description]) -> Summary:
    """Call `build(work, parent of prepared datasets)`, and put `work` at `into` when it is done."""
    start = time.monotonic()
    into = into.resolve()  # a link to another disk is followed, not replaced
    refuse_foreign(into)
    with whole_folder(into) as work:
        description = build(work, into.parent)
        refuse_unlabelled(dataset, description.rows)
        write_description(dataset, description, work)
    summary = Summary(
        dataset,
        into,
        counts(description.rows),
        len(description.classes),
        description.left_out,
        time.monotonic() - start,
        {reason: count for reason, count in description.notes.get("left_out", {}).items() if count},
        (*description.remarks, *_never_labelled(description)),
    )
    console.print(str(summary), soft_wrap=True, markup=False)
    return summary


def _never_labelled(description: Description) -> list[str]:
    missing = never_labelled(description)
    if not missing:
        return []
    more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
    return [f"never labelled: {', '.join(missing[:SHOWN])}{more}; no mask holds a pixel of it"]


def refuse_foreign(into: Path) -> None:
    """Raise UserError where `into` holds anything but a prepared dataset."""
    if not into.exists():
        return
    if not into.is_dir() or any(map(_is_foreign, into.iterdir())):
        raise UserError(
            f"{into}: holds something that is not a prepared dataset; move it away or name "
            "another folder"
        )


def _is_foreign(path: Path) -> bool:
    hidden_file = path.name.startswith(".") and path.is_file()
    return path.name not in OURS and not hidden_file
