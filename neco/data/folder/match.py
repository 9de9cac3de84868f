"""Which image has which labels: a folder's files and its dataset.yaml come in, a plan comes out."""

from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import Any

from neco.config.folder import Folder
from neco.data.folder.annotations import Annotations, guess_pattern, read_all
from neco.data.folder.lists import Finder
from neco.data.folder.pairs import MASK_FOLDER, guess_patterns
from neco.data.folder.patterns import Key, Pattern, as_split, literal_folder
from neco.data.folder.plan import FILE, Plan, read_settings
from neco.data.folder.splits import fill_splits
from neco.data.folder.walk import Listing, walk
from neco.data.left_out import Unusable
from neco.data.names import checked_name
from neco.errors import UserError


def plan_of(root: Path, **given: Any) -> tuple[Listing, Plan]:
    """Return a folder's files and the plan for them, as its dataset.yaml says or by guesses.

    given: settings that hold whatever dataset.yaml says. Raises UserError where no plan fits.
    """
    listing = walk(root)
    return listing, make_plan(listing, read_settings(root).model_copy(update=given))


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
    fill_splits(plan, listing)
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
    """Raise UserError where `images/` lies beside `masks/` and no image has a mask."""
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
    """Fill in ids, masks and annotations, and count images that fit no pattern."""
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
    """Return the part of a key that the patterns of images and of masks both find."""
    split = images.has_split and masks.has_split
    folder = "{folder}" in images.text and "{folder}" in masks.text
    return Key(key.split.lower() if split else "", key.folder if folder else "", key.id)


def _name(plan: Plan, keys: dict[str, Key]) -> tuple[str, str] | None:
    """Give every image an id, and return two images that would share one, or None.

    The ids of such images keep their suffix.
    """
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
        plan.used.add(annotations.path)
        inside = {
            path: name
            for path, name in plan.ids.items()
            if annotations.split and _meant(keys[path].split) == _meant(annotations.split)
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
            plan.remarks.append(
                f"{annotations.path}: {annotations.without_outline:,} annotations are boxes "
                "without an outline and are not drawn"
            )
    plan.categories = list(dict.fromkeys(name for entry in found for name in entry.categories))
    if len(by_split) > 1:
        plan.splits = {_meant(split): by_split[split] for split in by_split}


def _meant(split: str) -> str:
    return as_split(split) or split.lower()
