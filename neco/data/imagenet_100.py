"""ImageNet-100 without labels: a folder of the user's comes in, a prepared dataset comes out.

The folder `imagenet-100` holds `train/<class>/*.JPEG` (and, if wanted, `val/<class>/...`), or the
class folders directly. Linked class folders are followed. The user chooses the 100 classes, since
the paper names none.
"""

from pathlib import Path, PurePosixPath

from neco.data.folder.build import convert, user_folder
from neco.data.folder.match import plan_of
from neco.data.writing import Description
from neco.errors import UserError

NAME = "imagenet-100"


def build(
    archives: Path, work: Path, prepared: Path, workers: int | None, skip: int | None = None
) -> Description:
    """Link the folder into `work` and return the rows of its images (see neco/data/__init__.py).

    skip: how many files may be unusable. None stands for what dataset.yaml says.
    """
    root = user_folder(archives / NAME)
    listing, plan = plan_of(root, masks="")
    classes = {
        PurePosixPath(plan.ids[path]).parent
        for path in plan.splits.get("train", [])
        if "/" in plan.ids[path]
    }
    if not classes:
        raise UserError(
            f"{root}: holds no class folders with images; lay it out as train/<class>/*.JPEG"
        )
    description = convert(plan, None, listing, work, NAME, workers, skip)
    description.notes["class_folders"] = len(classes)
    return description
