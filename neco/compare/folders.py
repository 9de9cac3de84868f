"""What `--data` names: a prepared dataset, its splits, and what can be asked of them."""

import hashlib
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import numpy as np

from neco.backbones.registry import file_stem
from neco.config.base import nearest
from neco.config.compare import Compare
from neco.data.dataset import Dataset, read_dataset, splits_of
from neco.data.folder.match import plan_of
from neco.data.folder.walk import Listing
from neco.data.prepare import prepare_folder
from neco.data.state import folder_state
from neco.errors import UserError
from neco.evaluate.patch_labels import has_background
from neco.evaluate.protocol import PROTOCOLS
from neco.files import file_digest, read_text, refuse_no_folder, write_text

INDEX = "index.csv"


@dataclass(frozen=True)
class Data:
    """One dataset of a comparison."""

    name: str
    """As tables call it; no two of a comparison share it."""
    val: Dataset
    """The images that are looked at."""
    train: Dataset | None
    """The labelled images that the linear head and the memory learn from."""
    labelled: bool
    """Whether every held-out image has a mask."""
    said: tuple[str, ...] = ()
    """What was left out, in words."""

    @property
    def key(self) -> str:
        """Return the name as one of a folder."""
        return file_stem(self.name) or "data"

    def refuses(self, protocol: str) -> str | None:
        """Return in words why a protocol cannot be asked here, None where it can."""
        if protocol == "consistency":
            return None if len(self.val) > 1 else "it compares images, and there is one"
        if not self.labelled:
            return "the held-out images have no masks"
        if protocol == "overcluster":
            return None
        if self.train is None:
            return "there are no labelled training images"
        if protocol == "unsupervised" and not has_background(self.val):
            return "it tells foreground from background, and no class is background"
        return None


def datasets(
    given: list[Path], into: Path, settings: Compare, splits: dict[str, str], skip: int | None
) -> list[Data]:
    """Return the datasets that folders stand for; folders of photographs are prepared first.

    into: where prepared datasets are written. splits: those that were asked for, by `train` and
    `val`. skip: how many files may be unusable. Raises UserError for a folder without images.
    """
    listings = [_listing(folder, into, splits) for folder in given]  # before any is prepared
    found: list[Data] = []
    for folder, listing in zip(given, listings, strict=True):
        prepared = folder if listing is None else _prepared(folder, listing, into, skip)
        one = _data(prepared, settings, splits)
        one = replace(one, name=folder.resolve().name or one.name)
        taken = {other.key for other in found}
        tries = (replace(one, name=f"{one.name} ({number})") for number in count(2))
        found.append(one if one.key not in taken else next(t for t in tries if t.key not in taken))
    return found


def _listing(folder: Path, into: Path, splits: dict[str, str]) -> Listing | None:
    """Return what lies in a folder, None for a prepared dataset.

    Raises UserError for a folder or a split that is not there.
    """
    refuse_no_folder(folder, "your images", "--data")
    root, listing = folder.resolve(), None
    if (folder / INDEX).is_file():
        there = splits_of(folder)
    else:
        if into.resolve().is_relative_to(root):
            raise UserError(
                f"{into.parent}: lies inside of {folder}; name another --out, beside it"
            )
        listing, plan = plan_of(root)
        there = list(plan.splits)
    for part, split in splits.items():
        if split not in there:
            raise UserError(
                f"--{part}-split {split}: {folder} has no such split{nearest(split, there)}"
            )
    return listing


def _prepared(folder: Path, listing: Listing, into: Path, skip: int | None) -> Path:
    """Return a prepared dataset, made of the folder anew only where its files have changed."""
    root = listing.root
    target = into / f"{file_stem(root.name) or 'data'}-{_short_digest(str(root))}"
    note, state = target.with_name(f"{target.name}.files"), folder_state(listing, skip)
    index = target / INDEX
    there = index.is_file() and note.is_file()
    if there and read_text(note).strip() == f"{state} {file_digest(index)}":
        return target
    prepare_folder(folder, target, skip=skip)
    write_text(note, f"{state} {file_digest(index)}\n")
    return target


def _short_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _data(folder: Path, settings: Compare, splits: dict[str, str]) -> Data:
    there = splits_of(folder)
    val_name = splits.get("val") or ("val" if "val" in there else there[0])
    train_name = splits.get("train") or next(
        (name for name in ("trainaug", "train") if name in there and name != val_name), None
    )
    said: list[str] = []
    if val_name != "val" and "val" not in splits:
        said.append(f"there is no split 'val', so the images of '{val_name}' are scored")
    val, labelled = _whole(read_dataset(folder, val_name), said)
    train, learns = None, False
    if train_name is not None and train_name != val_name:
        train, learns = _whole(read_dataset(folder, train_name), said)
    val = _some(val, settings.val_images, settings.seed, said)
    if train is not None:
        train = _some(train, settings.train_images, settings.seed, said)
    return Data(val.name, val, train if labelled and learns else None, labelled, tuple(said))


def _whole(dataset: Dataset, said: list[str]) -> tuple[Dataset, bool]:
    """Return a split, and whether it is labelled: then without its images that have no mask."""
    items = [item for item in dataset.items if item.mask is not None]
    if not items:
        return dataset, False
    if len(items) < len(dataset):
        bare = len(dataset) - len(items)
        said.append(f"{bare} images of the split '{dataset.split}' have no mask and are left out")
    return replace(dataset, items=items), True


def _some(dataset: Dataset, most: int | None, seed: int, said: list[str]) -> Dataset:
    """Return at most so many images of a split, drawn at random, in the order of its index."""
    if most is None or len(dataset) <= most:
        return dataset
    chosen = np.sort(np.random.default_rng([seed, 2]).permutation(len(dataset))[:most])
    said.append(f"{most} of {len(dataset)} images of the split '{dataset.split}' are used")
    return replace(dataset, items=[dataset.items[index] for index in chosen])


def wanted(settings: Compare, data: Data) -> tuple[list[str], dict[str, str]]:
    """Return the protocols to run on a dataset, and why each of the others is not."""
    reasons: dict[str, str | None] = {name: data.refuses(name) for name in settings.protocols}
    left_out = {name: reason for name, reason in reasons.items() if reason is not None}
    if reasons.get("unsupervised", "") is None and find_spec("infomap") is None:
        left_out["unsupervised"] = (
            "it needs the package infomap: pip install 'neco-reproduction[unsupervised]'"
        )
    order: list[str] = [name for name in PROTOCOLS if name in reasons and name not in left_out]
    return order, left_out
