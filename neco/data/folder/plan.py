"""What the preparation of a folder will do: its dataset.yaml comes in, a plan is made from it."""

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from neco.config.base import validated
from neco.config.folder import Folder
from neco.data.folder.annotations import Annotated
from neco.data.folder.walk import Listing
from neco.data.text import read_any_text
from neco.errors import UserError, command

FILE = "dataset.yaml"


@dataclass
class Plan:
    """Which images of a folder belong to which split, and where their labels are."""

    root: Path
    settings: Folder
    """Patterns and splits are filled in. `classes` may still be unknown."""
    guessed: list[str] = field(default_factory=list)
    """What was guessed, in words."""
    remarks: list[str] = field(default_factory=list)
    """What was noticed, in words."""
    splits: dict[str, list[str]] = field(default_factory=dict)
    """The images of each split, as paths below the folder."""
    ids: dict[str, str] = field(default_factory=dict)
    """The id of each image, by its path."""
    masks: dict[str, str] = field(default_factory=dict)
    """The path of each image's mask, by the image's path."""
    annotated: dict[str, Annotated] = field(default_factory=dict)
    """The outlines of each image, by its path."""
    categories: list[str] = field(default_factory=list)
    """The categories of the annotations."""
    used: set[str] = field(default_factory=lambda: {FILE})
    """Files below the folder that are no images and were read."""

    @property
    def labelled(self) -> bool:
        """Return whether there are labels at all."""
        return bool(self.settings.masks or self.settings.annotations)

    def has_labels(self, image: str) -> bool:
        """Return whether one image has labels."""
        return image in self.masks or image in self.annotated


def read_settings(root: Path) -> Folder:
    """Return what the folder's dataset.yaml says, or empty settings where there is none."""
    file = root / FILE
    if not file.is_file():
        return Folder()
    try:
        values: Any = yaml.safe_load(read_any_text(file))
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{file}: no readable YAML ({reason}); mend or remove it") from None
    if not isinstance(values, dict | None):
        raise UserError(f"{file}: holds no settings; write `key: value` lines or remove it")
    _refuse_detectors(values or {}, file)
    return validated(Folder, values or {}, str(file))


def _refuse_detectors(values: dict[str, Any], file: Path) -> None:
    """Raise UserError for the dataset.yaml of a YOLO detector, which has the same name."""
    keys = [key for key in ("path", "train", "val", "test", "nc", "names") if key in values]
    if keys:
        raise UserError(
            f"{file}: is a detector's dataset.yaml (YOLO; keys {', '.join(keys)}), not this "
            f"project's; rename it, then {command('look', file.parent)} says what the folder "
            "holds. Labels are read from masks or COCO JSON, not from text files of boxes"
        )


def count_unused(plan: Plan, listing: Listing) -> None:
    """Count the files that are no images and that nothing read, by their suffixes."""
    unused = set(listing.others) - plan.used - set(plan.masks.values())
    suffixes = sorted({PurePosixPath(path).suffix.lower() or "without suffix" for path in unused})
    if unused:
        more = ", ..." if len(suffixes) > 5 else ""
        reason = f"not read as images ({', '.join(suffixes[:5])}{more})"
        listing.left_out.passed[reason] += len(unused)


def without_labels(plan: Plan) -> None:
    """Drop the labels of a plan. Its masks are then not read, and are no images either."""
    plan.masks, plan.annotated = {}, {}
    plan.settings = plan.settings.model_copy(update={"masks": "", "annotations": None})
