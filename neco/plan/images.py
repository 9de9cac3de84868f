"""How many images a split has: counted where it is prepared, else as its authors say."""

import csv
from collections import Counter
from pathlib import Path

from neco.config import Project
from neco.errors import UserError

OFFICIAL = {
    "coco": {"train": 118_287, "val": 5_000},
    "coco-things": {"train": 118_287, "val": 5_000},
    "coco-stuff": {"train": 118_287, "val": 5_000},
    "coco-stuff-164k": {"train": 118_287, "val": 5_000},
    "pascal-voc": {"train": 1_464, "trainaug": 10_582, "val": 1_449},
    "pascal-context": {"train": 4_998, "val": 5_105},
    "ade20k": {"train": 20_210, "val": 2_000},
    "imagenet-100": {"train": 126_689},
}
"""Appendix D of the paper; ImageNet-100 as in the reference implementation."""


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
        return OFFICIAL[dataset][split]
    except KeyError:
        raise UserError(
            f"plan: how many images {dataset}/{split} has is known once it is prepared; run "
            f"`neco prepare {dataset}` first"
        ) from None
