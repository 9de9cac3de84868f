"""How many images a split has: counted where it is prepared, else taken from the paper."""

import csv
from collections import Counter
from pathlib import Path

from neco.config import Project
from neco.errors import UserError
from neco.paper.conditions import IMAGES


def image_count(project: Project, dataset: str, split: str) -> int:
    """Return the images of a split. Raises UserError where nobody can know yet."""
    index = Path(project.data) / "prepared" / dataset / "index.csv"
    if index.exists():
        with index.open(newline="") as file:
            return Counter(row["split"] for row in csv.DictReader(file))[split]
    if project.scenes is not None:
        if split == "val":
            return project.scenes.val
        further = project.scenes.unlabelled if dataset == "coco" else 0
        return project.scenes.train * (2 if split == "trainaug" else 1) + further
    try:
        return IMAGES[dataset][split]
    except KeyError:
        raise UserError(
            f"plan: how many images {dataset}/{split} has is known once it is prepared; run "
            f"`neco prepare {dataset}` first"
        ) from None
