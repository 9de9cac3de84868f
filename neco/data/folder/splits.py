"""Which split each image belongs to: a plan with images comes in, its splits are filled in.

dataset.yaml decides, or else folders, lists or a share that is held out.
"""

from collections import Counter, defaultdict

from neco.config.folder import FolderSplit
from neco.data.folder.lists import Finder, listed, split_lists
from neco.data.folder.patterns import Pattern, as_split, literal_folder
from neco.data.folder.plan import FILE, Plan
from neco.data.folder.walk import Listing
from neco.data.names import checked_name
from neco.errors import UserError


def fill_splits(plan: Plan, listing: Listing) -> None:
    """Fill in the splits of a plan whose images are known.

    Raises UserError for a split that has no images, or a list that leads out of the folder.
    """
    settings = plan.settings
    pattern = Pattern(settings.images or "{id}.*", plan.root / FILE)
    by_folder: dict[str, list[str]] = defaultdict(list)
    for path in plan.ids:
        key = pattern.key(path)
        assert key is not None  # noqa: S101 (for mypy)
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
    plan.used.add(entry.list)
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
        plan.remarks.append(f"{shared:,} images are in more than one split")
