"""ImageNet-100 as unlabelled images, from a folder of the user's.

The folder `imagenet-100` holds `train/<class>/*.JPEG` (and, if wanted, `val/<class>/...`), or the
class folders directly. Which 100 classes is the user's choice: the paper names none.
"""

from pathlib import Path

from neco.data.folder import find_images, linked_rows, user_folder
from neco.data.writing import Description
from neco.errors import UserError

NAME = "imagenet-100"


def build(archives: Path, work: Path, prepared: Path, workers: int | None) -> Description:
    """Link the folder into `work`; return the rows of its images."""
    root = user_folder(archives / NAME)
    splits = {split: root / split for split in ("train", "val") if (root / split).is_dir()}
    if "train" not in splits:
        splits = {"train": root}
    found = {split: find_images(folder) for split, folder in splits.items()}
    classes = {path.parent.name for path in found["train"] if path.parent != splits["train"]}
    if not classes:
        raise UserError(
            f"{root}: holds no class folders with images; lay it out as train/<class>/*.JPEG"
        )
    rows = linked_rows(root, found, work, NAME, workers)
    return Description([], False, rows, notes={"class_folders": len(classes)})
