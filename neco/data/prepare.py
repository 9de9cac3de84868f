"""One entry for every dataset: official archives in, the common layout out, all or nothing."""

import time
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from neco.data import folder
from neco.data.progress import console
from neco.data.sources import dataset_names, prerequisites_of
from neco.data.writing import Description, counts, write_description
from neco.errors import UserError
from neco.files import whole_folder

OURS = {"images", "masks", "shards", "index.csv", "classes.json"}
"""What a prepared folder holds, hidden files aside; one with anything else is never replaced."""


@dataclass(frozen=True)
class Summary:
    """What a preparation wrote."""

    dataset: str
    folder: Path
    images: dict[str, int]
    """Per split."""
    classes: int
    left_out: dict[str, int] = field(default_factory=dict)
    """Per split: images of the archive that carry no labels."""
    seconds: float = 0.0

    def __str__(self) -> str:
        images = ", ".join(f"{count:,} {split}" for split, count in self.images.items())
        text = f"{self.dataset}: {images} images"
        text += f", {self.classes} classes" if self.classes else ", unlabelled"
        if any(self.left_out.values()):
            left = ", ".join(f"{count:,} {split}" for split, count in self.left_out.items())
            text += f"; left out without labels: {left}"
        return f"{text} ({self.seconds:.1f} s) -> {self.folder}"


def prepare(
    dataset: str, archives: Path, into: Path, *, prepared: Path, workers: int | None = None
) -> Summary:
    """Turn archives into a prepared dataset at `into`, and return what was written.

    `archives` is the folder that holds the archive files under their official names, `prepared`
    the parent of prepared datasets, where those of `prerequisites_of(dataset)` lie. A name that
    is no official dataset stands for the folder `archives/<name>` of the user's own images.
    Everything is written to a temporary sibling and renamed at the end: after an error or an
    interrupt `into` is as it was. Raises UserError for anything wrong with the input.
    """
    start = time.monotonic()
    refuse_foreign(into)
    if prerequisites_of(dataset) and into.resolve().parent != prepared.resolve():
        raise UserError(
            f"{into}: {dataset} refers to images of {', '.join(prerequisites_of(dataset))} and "
            f"must lie beside it, in {prepared}"
        )
    with whole_folder(into) as work:
        description = _build(dataset, archives, work, prepared, workers)
        write_description(dataset, description, work)
    summary = Summary(
        dataset,
        into,
        counts(description.rows),
        len(description.classes),
        description.left_out,
        time.monotonic() - start,
    )
    console.print(str(summary), soft_wrap=True)
    return summary


def _build(
    dataset: str, archives: Path, work: Path, prepared: Path, workers: int | None
) -> Description:
    if dataset not in dataset_names():
        return folder.build(dataset, archives, work, workers)
    module = import_module(f"neco.data.{dataset.replace('-', '_')}")
    description: Description = module.build(archives, work, prepared, workers)
    return description


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
