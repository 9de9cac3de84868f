"""From a folder's files and its dataset.yaml to what a preparation does; guesses are said."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from neco.config.base import validated
from neco.config.folder import Folder, FolderSplit
from neco.data.folder.annotations import Annotated, Annotations, guess_pattern, read_all
from neco.data.folder.lists import Finder, listed, split_lists
from neco.data.folder.pairs import MASK_FOLDER, guess_patterns
from neco.data.folder.patterns import Key, Pattern, as_split, literal_folder
from neco.data.folder.walk import Listing
from neco.data.left_out import Unusable
from neco.data.names import checked_name
from neco.data.text import read_text
from neco.errors import UserError

FILE = "dataset.yaml"


@dataclass
class Plan:
    """Which images of a folder belong to which split, and where their labels are."""

    root: Path
    settings: Folder
    """With patterns and splits filled in; `classes` may still be unknown."""
    guessed: list[str] = field(default_factory=list)
    """What was guessed, in words."""
    said: list[str] = field(default_factory=list)
    """What was noticed, in words."""
    splits: dict[str, list[str]] = field(default_factory=dict)
    """Image paths below the folder."""
    ids: dict[str, str] = field(default_factory=dict)
    """Per image path: its id."""
    masks: dict[str, str] = field(default_factory=dict)
    """Per image path: the path of its mask."""
    annotated: dict[str, Annotated] = field(default_factory=dict)
    """Per image path: its outlines."""
    categories: list[str] = field(default_factory=list)
    """Of the annotations."""

    @property
    def labelled(self) -> bool:
        """Return whether there are labels at all."""
        return bool(self.settings.masks or self.settings.annotations)

    def has_labels(self, image: str) -> bool:
        """Return whether one image has labels."""
        return image in self.masks or image in self.annotated


def read_settings(root: Path) -> Folder:
    """Return what the folder's dataset.yaml says, nothing where there is none."""
    file = root / FILE
    if not file.is_file():
        return Folder()
    try:
        values: Any = yaml.safe_load(read_text(file))
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{file}: no readable YAML ({reason}); mend or remove it") from None
    if not isinstance(values, dict | None):
        raise UserError(f"{file}: holds no settings; write `key: value` lines or remove it")
    return validated(Folder, values or {}, str(file))


def make_plan(listing: Listing, given: Folder) -> Plan:
    """Return the plan for a folder's files; what `given` leaves out is guessed.

    Raises UserError, in one line that says what to write into dataset.yaml, where nothing fits.
    """
    if not listing.images and not listing.left_out.unusable:
        raise UserError(
            f"{listing.root}: holds no images; put .jpg or .png files there, or name another folder"
        )
    plan = Plan(listing.root, given)
    _fill_patterns(plan, listing)
    _match(plan, listing)
    _fill_splits(plan, listing)
    taken = {path for paths in plan.splits.values() for path in paths}
    listing.left_out.passed["in no split"] += len(plan.ids.keys() - taken)
    return plan


def _fill_patterns(plan: Plan, listing: Listing) -> None:
    given, root = plan.settings, plan.root
    update: dict[str, Any] = {}
    arrays = [path for path in listing.others if path.lower().endswith(".npy")]
    guessed = guess_patterns(listing.images, arrays)
    if given.images is None:
        update["images"] = guessed.images
        plan.guessed.append(f"images: {guessed.images}")
    if given.masks is None and given.annotations is None:
        update["masks"] = guessed.masks
        if not guessed.masks:
            update["annotations"] = guess_pattern(root, listing.others)
        if update.get("annotations"):
            plan.guessed.append(f"annotations: {update['annotations']}")
        elif guessed.masks:
            plan.guessed.append(f"masks: {guessed.masks}")
        else:
            _refuse_unpaired(listing)
            plan.guessed.append("no masks: for training, not for evaluation")
    plan.settings = given.model_copy(update=update)


def _refuse_unpaired(listing: Listing) -> None:
    """Raise UserError for `images/` beside `masks/` of which nothing pairs."""
    tops = {path.split("/")[0] for path in listing.images if "/" in path}
    tops |= {path.split("/")[0] for path in listing.others if path.endswith(".npy")}
    masks = sorted(top for top in tops if MASK_FOLDER.fullmatch(top))
    images = [path for path in listing.images if path.lower().startswith(("images/", "imgs/"))]
    if masks and images:
        example = Path(images[0]).with_suffix(".png").name
        raise UserError(
            f"{listing.root / masks[0]}: no image has a mask; masks are named like {example}, or "
            f"as the pattern `masks` in {FILE} says"
        )


def _match(plan: Plan, listing: Listing) -> None:
    """Fill ids, masks and annotations; count images that fit no pattern."""
    settings, where = plan.settings, plan.root / FILE
    images = Pattern(settings.images or "{id}.*", where)
    masks = Pattern(settings.masks, where) if settings.masks else None
    mask_of: dict[Key, str] = {}
    keys: dict[str, Key] = {}
    is_mask = set()
    if masks:
        for path in [*listing.images, *listing.others]:
            key = masks.key(path)
            if key is None:
                continue
            is_mask.add(path)
            twin = mask_of.setdefault(_shared(key, images, masks), path)
            if twin != path:
                raise UserError(
                    f"{plan.root}: {twin} and {path} are masks of one image by the pattern "
                    f"{masks.text!r}; make it more narrow in {FILE}"
                )
    for path in listing.images:
        key = images.key(path)
        if path in is_mask:
            continue
        if key is None:
            listing.left_out.passed["outside of the patterns"] += 1
            continue
        keys[path] = key
        mask = mask_of.pop(_shared(key, images, masks), None) if masks else None
        if mask:
            plan.masks[path] = mask
    twins = _name(plan, keys)
    if twins and plan.labelled:
        first, second = twins
        raise UserError(
            f"{plan.root / second}: differs from {Path(first).name} in the suffix only; rename one"
        )
    listing.left_out.passed["masks without an image"] += len(mask_of)
    if settings.annotations:
        _annotate(plan, keys, read_all(plan.root, settings.annotations, listing.others), listing)
    if plan.labelled and not plan.masks and not plan.annotated:
        labels = settings.masks or settings.annotations
        raise UserError(
            f"{plan.root}: no image has labels by the patterns images: {images.text} and {labels}; "
            f"mend them in {FILE}"
        )


def _shared(key: Key, images: Pattern, masks: Pattern) -> Key:
    """Return the part of a key that both patterns find."""
    split = images.has_split and masks.has_split
    folder = "{folder}" in images.text and "{folder}" in masks.text
    return Key(key.split.lower() if split else "", key.folder if folder else "", key.id)


def _name(plan: Plan, keys: dict[str, Key]) -> tuple[str, str] | None:
    """Give every image an id; return two images that share one, which keep their suffix in it."""
    by_key: dict[Key, list[str]] = defaultdict(list)
    for path, key in keys.items():
        by_key[key].append(path)
    twins = None
    for key, paths in by_key.items():
        name = "/".join(filter(None, (key.folder, key.id)))
        for path in paths:
            plan.ids[path] = name if len(paths) == 1 else f"{name}{Path(path).suffix}"
        if len(paths) > 1:
            twins = (paths[0], paths[1])
    return twins


def _annotate(plan: Plan, keys: dict[str, Key], found: list[Annotations], listing: Listing) -> None:
    base = literal_folder(plan.settings.images or "")
    by_split: dict[str, list[str]] = defaultdict(list)
    for annotations in found:
        inside = {
            path: name
            for path, name in plan.ids.items()
            if annotations.split and keys[path].split == annotations.split
        }
        finder = Finder(inside or plan.ids, base)
        folder = str(PurePosixPath(annotations.path).parent)
        for image in annotations.images:
            name = checked_name(image.file_name, plan.root / annotations.path)
            path = finder.find(name, "" if folder == "." else f"{folder}/")
            if path is None:
                listing.left_out.unusable.append(
                    Unusable(
                        "annotated but not there",
                        f"{plan.root / annotations.path}: names {name}, which the folder lacks; "
                        "add the image or export the annotations again",
                    )
                )
                continue
            plan.annotated[path] = image
            by_split[annotations.split].append(path)
        if annotations.without_outline:
            plan.said.append(
                f"{annotations.path}: {annotations.without_outline:,} annotations are boxes "
                "without an outline and are not drawn"
            )
    plan.categories = list(dict.fromkeys(name for entry in found for name in entry.categories))
    if len(by_split) > 1:
        plan.splits = {as_split(split) or split.lower(): by_split[split] for split in by_split}


def _fill_splits(plan: Plan, listing: Listing) -> None:
    settings = plan.settings
    pattern = Pattern(settings.images or "{id}.*", plan.root / FILE)
    by_folder: dict[str, list[str]] = defaultdict(list)
    for path in plan.ids:
        key = pattern.key(path)
        assert key is not None
        by_folder[key.split].append(path)
    if settings.splits:
        plan.splits = {
            name: _split(plan, listing, name, entry, by_folder, pattern)
            for name, entry in settings.splits.items()
        }
    elif plan.splits:
        plan.guessed.append("splits: as the annotations")
    elif pattern.has_split:
        _by_folders(plan, by_folder)
    elif lists := split_lists(listing.others):
        entries = {name: FolderSplit(list=file) for name, file in lists.items()}
        plan.guessed += [f"split {name}: {file}" for name, file in lists.items()]
        plan.settings = settings.model_copy(update={"splits": entries})
        plan.splits = {
            name: _split(plan, listing, name, entry, by_folder, pattern)
            for name, entry in entries.items()
        }
    else:
        _held_out(plan)
    _say_shared(plan)


def _split(
    plan: Plan,
    listing: Listing,
    name: str,
    entry: FolderSplit,
    by_folder: dict[str, list[str]],
    pattern: Pattern,
) -> list[str]:
    """Return the images of a split that dataset.yaml names."""
    folders = [
        folder
        for folder in by_folder
        if folder == entry.folder or (entry.folder is None and name in (folder, as_split(folder)))
    ]
    inside = [path for folder in folders for path in by_folder[folder]]
    if entry.list is None:
        if not inside:
            raise UserError(
                f"{plan.root / FILE}: split '{name}' has no images: there is no folder "
                f"{entry.folder or name!r} where the pattern {pattern.text!r} has {{split}}; name "
                "it as `folder`, or a `list`"
            )
        return inside
    file = plan.root / checked_name(entry.list, plan.root / FILE)
    base = literal_folder(pattern.text)
    finder = Finder(
        {path: plan.ids[path] for path in inside} if entry.folder is not None else plan.ids, base
    )
    where = str(plan.root / base) if base else str(plan.root)
    return listed(file, finder, listing.left_out.unusable, where)


def _by_folders(plan: Plan, by_folder: dict[str, list[str]]) -> None:
    for folder in sorted(by_folder):
        name = as_split(folder)
        if name is None and plan.settings.splits is None and len(by_folder) == 1:
            name = "train"
        if name is None:
            continue
        plan.splits.setdefault(name, []).extend(by_folder[folder])
    if not plan.splits:
        folders = ", ".join(sorted(by_folder)[:5])
        raise UserError(
            f"{plan.root}: the folders {folders} are called like no split; name them in {FILE}, as "
            "in `splits: {train: {folder: NAME}}`"
        )
    if plan.settings.splits is None:
        plan.guessed.append(f"splits: folders {', '.join(plan.splits)}")


def _held_out(plan: Plan) -> None:
    everything = sorted(plan.ids)
    if not plan.labelled:
        plan.splits = {"train": everything}
        return
    every = plan.settings.hold_out
    held_out = everything[every - 1 :: every]
    chosen = set(held_out)
    plan.splits = {"train": [path for path in everything if path not in chosen]}
    if held_out:
        plan.splits["val"] = held_out
    plan.guessed.append(
        f"splits: every {every}th image is val"
        if held_out
        else f"splits: fewer than {every} images, none is held out as val"
    )


def _say_shared(plan: Plan) -> None:
    seen = Counter(path for paths in plan.splits.values() for path in set(paths))
    shared = sum(count > 1 for count in seen.values())
    if shared and "trainaug" not in plan.splits and "trainval" not in plan.splits:
        plan.said.append(f"{shared:,} images are in more than one split")
