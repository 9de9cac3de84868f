"""A guess at how images and their masks are named: paths come in, patterns come out."""

import re
from collections import defaultdict
from pathlib import PurePosixPath
from typing import NamedTuple

from neco.data.folder.patterns import are_splits, as_split, split_marked

MASK_WORDS = (
    r"(masks?|labels?|annotations?|annots?|gt|gtfine|gtcoarse|ground_?truths?|targets?|"
    r"segmentations?|segmentation_?class(aug)?|segs?|label_?ids|label_?train_?ids)"
)
MASK_FOLDER = re.compile(rf"(.*[_.-])?{MASK_WORDS}([_.-].*)?|.*annots?|.*masks?|.*labels?", re.I)
MASK_END = re.compile(
    rf"[_.-]((gt[_.-]?(fine|coarse)?[_.-])?{MASK_WORDS}|l|color|colour|instance_?ids)$", re.I
)
IMAGE_END = re.compile(r"[_.-](leftimg8bit|images?|imgs?|rgb|sat|photo|im|orig)$", re.I)
MASK_START = re.compile(r"^(masks?|labels?|gt|segs?)[_.-]", re.I)
IMAGE_START = re.compile(r"^(images?|imgs?|rgb|photo)[_.-]", re.I)
RANKS = ("labeltrainids", "labelids", "label", "mask", "gt", "seg")
"""Which kind of name is taken first where an image has several masks. Names of colours and
instances are taken last."""
LAST = re.compile(r"(color|colour|instance)", re.I)


class Naming(NamedTuple):
    """How the paths of one image and of its mask differ."""

    image_folder: str | None
    """The one folder of the image's path that the mask's path lacks; None where it has all."""
    mask_folder: str | None
    depth: int
    """Where in the path those folders are."""
    image_start: str
    image_end: str
    mask_start: str
    mask_end: str
    mask_suffix: str


class Patterns(NamedTuple):
    """Guessed patterns. `masks` is empty where no image has a mask."""

    images: str
    masks: str


def guess_patterns(images: list[str], arrays: list[str]) -> Patterns:
    """Return the patterns under which most images have a mask.

    images: all files with the suffix of an image, also masks. arrays: all `.npy` files.
    """
    namings: dict[Naming, list[tuple[str, str]]] = defaultdict(list)
    masks = _masks_by_core([path for path in images if _looks_like_mask(path)] + arrays)
    chosen = {mask for group in masks.values() for mask, *_ in group}
    for image in images:
        if image not in chosen:
            for naming, mask in _namings(image, masks):
                namings[naming].append((image, mask))
    if not namings:
        return Patterns(_unlabelled(images), "")
    best = max(namings, key=lambda naming: (len(namings[naming]), *_preference(naming)))
    return _generalised(best, namings[best], namings)


def _looks_like_mask(path: str) -> bool:
    parts = PurePosixPath(path)
    return (
        any(MASK_FOLDER.fullmatch(folder) for folder in parts.parts[:-1])
        or bool(MASK_END.search(parts.stem))
        or bool(MASK_START.search(parts.stem))
    )


def _masks_by_core(paths: list[str]) -> dict[str, list[tuple[str, str, str]]]:
    """Return (path, start, end) of masks by the part of their names that they share with images."""
    by_core: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for path in paths:
        for core, start, end in _cores(PurePosixPath(path).stem, MASK_START, MASK_END):
            by_core[core].append((path, start, end))
    return by_core


def _cores(stem: str, start: re.Pattern[str], end: re.Pattern[str]) -> list[tuple[str, str, str]]:
    """Return (core, start, end) of a name, first as it is, then without what marks its kind."""
    found = [(stem, "", "")]
    if mark := end.search(stem):
        found.append((stem[: mark.start()], "", stem[mark.start() :]))
    if mark := start.search(stem):
        found.append((stem[mark.end() :], stem[: mark.end()], ""))
    return [entry for entry in found if entry[0]]


def _namings(image: str, masks: dict[str, list[tuple[str, str, str]]]) -> list[tuple[Naming, str]]:
    path = PurePosixPath(image)
    folders = path.parts[:-1]
    result = []
    for core, start, end in _cores(path.stem, IMAGE_START, IMAGE_END):
        for mask, mask_start, mask_end in masks.get(core, ()):
            other = PurePosixPath(mask)
            place = _difference(folders, other.parts[:-1])
            if place is None:
                continue
            depth, ours, theirs = place
            naming = Naming(
                _marked(ours),
                _marked(theirs),
                depth,
                start,
                end,
                mask_start,
                mask_end,
                other.suffix,
            )
            result.append((naming, mask))
    return result


def _marked(folder: str | None) -> str | None:
    """Return a folder's name with its split as `{split}`, so that train and val count together."""
    marked = split_marked(folder) if folder else None
    return marked[0] if marked else folder


def _difference(
    ours: tuple[str, ...], theirs: tuple[str, ...]
) -> tuple[int, str | None, str | None] | None:
    """Return where two paths differ, if they differ in one folder or one of them has one more.

    The result is the depth, the first path's folder there and the second's; None for a folder that
    a path lacks. Paths that differ in another way give None.
    """
    depth = next(
        (i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b),
        min(len(ours), len(theirs)),
    )
    if ours == theirs:
        return len(ours), None, None
    for a, b in ((1, 1), (0, 1), (1, 0)):
        if ours[depth + a :] == theirs[depth + b :]:
            return (
                depth,
                ours[depth] if a and depth < len(ours) else None,
                theirs[depth] if b and depth < len(theirs) else None,
            )
    return None


def _preference(naming: Naming) -> tuple[int, int, int]:
    """Return a rank among namings of as many pairs; the highest is taken."""
    end = naming.mask_end.lower().replace("_", "")
    rank = next((len(RANKS) - i for i, word in enumerate(RANKS) if word in end), 0)
    is_array = naming.mask_suffix.lower() == ".npy"
    return (-1 if LAST.search(naming.mask_end) else 0, rank, int(is_array))


def _generalised(
    naming: Naming,
    pairs: list[tuple[str, str]],
    all_namings: dict[Naming, list[tuple[str, str]]],
) -> Patterns:
    """Return the patterns of one naming. What all paths share stays; splits become `{split}`."""
    folders = [PurePosixPath(image).parts[:-1] for image, _ in pairs]
    before = _folders([parts[: naming.depth] for parts in folders])
    after_at = naming.depth + (naming.image_folder is not None)
    rest = [parts[after_at:] for parts in folders]
    marked = any("{split}" in part for part in (*before, naming.image_folder or ""))
    after: list[str] = []
    if not marked and all(rest) and are_splits(parts[0] for parts in rest):
        after = ["{split}"]
    suffixes = {
        other.mask_suffix
        for other in all_namings
        if other._replace(mask_suffix="") == naming._replace(mask_suffix="")
    }
    suffix = naming.mask_suffix if len(suffixes) == 1 else ".*"
    ours = [*before, *([naming.image_folder] if naming.image_folder else []), *after]
    theirs = [*before, *([naming.mask_folder] if naming.mask_folder else []), *after]
    image = f"{naming.image_start}{{id}}{naming.image_end}.*"
    mask = f"{naming.mask_start}{{id}}{naming.mask_end}{suffix}"
    return Patterns("/".join([*ours, image]), "/".join([*theirs, mask]))


def _folders(paths: list[tuple[str, ...]]) -> list[str]:
    """Return the folders that lie before the one in which image and mask differ, generalised."""
    result = []
    for names in zip(*paths, strict=True):
        if len(set(names)) == 1 and not as_split(names[0]):
            result.append(names[0])
        elif are_splits(names) and "{split}" not in result:
            result.append("{split}")
        else:
            result.append("{folder}" if "{folder}" not in result else "*")
    return result


def _unlabelled(images: list[str]) -> str:
    """Return the pattern of images without masks: one folder per split, or no structure at all."""
    tops = [PurePosixPath(path).parts[:-1] for path in images]
    shared: list[str] = []
    while tops and all(tops) and len({parts[0] for parts in tops}) == 1:
        if as_split(tops[0][0]):
            break
        shared.append(tops[0][0])
        tops = [parts[1:] for parts in tops]
    if tops and all(tops) and are_splits(parts[0] for parts in tops):
        return "/".join([*shared, "{split}", "{id}.*"])
    if shared[:1] and shared[0].lower() in ("images", "imgs", "photos", "jpegimages"):
        return f"{shared[0]}/{{id}}.*"
    return "{id}.*"
