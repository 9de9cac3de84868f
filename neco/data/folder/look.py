"""A look at a folder: its files come in, words and a dataset.yaml to edit come out."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from neco.config.folder import Folder
from neco.data.dataset import IGNORED
from neco.data.folder.build import user_folder
from neco.data.folder.classes import fill_classes, survey_of
from neco.data.folder.labels import class_map
from neco.data.folder.match import plan_of
from neco.data.folder.plan import FILE, Plan
from neco.data.folder.survey import Survey
from neco.data.folder.walk import Listing
from neco.data.left_out import counted
from neco.errors import UserError

MOST_NAMED = 255
"""Most ids or colours that are named in a dataset.yaml. More of them cannot be classes."""
OPENING = """\
# What `neco look` found in this folder. Edit what is wrong, then prepare the folder; every key that
# is left out is guessed again.
"""


@dataclass(frozen=True)
class Look:
    """What was found in a folder."""

    text: str
    """In words, several lines."""
    document: str
    """The dataset.yaml that says the same."""


def look(folder: Path, workers: int | None = None) -> Look:
    """Return what a folder holds: images, masks, their ids or colours with their share, splits.

    Nothing is written. Raises UserError for a folder without images, or a dataset.yaml or a list
    that cannot be understood.
    """
    root = user_folder(folder)
    listing, plan = plan_of(root)
    trouble = ""
    try:
        seen = fill_classes(plan, listing.others, workers)
    except UserError as error:  # the look goes on: its dataset.yaml is the remedy
        trouble, seen = str(error), None
        plan.settings = plan.settings.model_copy(update={"classes": None})
    if plan.masks and seen is None:
        seen = survey_of(plan, workers)
    return Look(_words(plan, listing, seen, trouble), _document(plan, seen))


def write_document(folder: Path, document: str) -> Path:
    """Write dataset.yaml where there is none yet, and return its path.

    Raises UserError where it cannot be written.
    """
    path = folder / FILE
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(document)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written ({error.strerror}); call with `--print` and put the text "
            "there yourself"
        ) from None
    return path


def _words(plan: Plan, listing: Listing, seen: Survey | None, trouble: str) -> str:
    suffixes = Counter(PurePosixPath(path).suffix.lower() for path in plan.ids)
    kinds = ", ".join(f"{suffix} {count:,}" for suffix, count in suffixes.most_common())
    lines = [f"{plan.root}: {len(plan.ids):,} images ({kinds})"]
    if plan.masks:
        lines[0] += f", {len(plan.masks):,} masks"
    if plan.annotated:
        lines[0] += f", {len(plan.annotated):,} annotated"
    lines += [*plan.guessed, *plan.remarks]
    for name, paths in plan.splits.items():
        labels = sum(plan.has_labels(path) for path in paths)
        lines.append(
            f"split {name}: {len(paths):,} images" + (f", {labels:,} labelled" * plan.labelled)
        )
    if seen is not None:
        lines += _values(plan, seen)
    if plan.settings.annotations and isinstance(plan.settings.classes, list):
        lines.append(f"classes: {', '.join(plan.settings.classes)}")
    counts = listing.left_out.counts()
    if counts:
        lines.append(f"left out: {counted(counts.items())}")
    lines += [f"cannot be used: {entry.message}" for entry in listing.left_out.unusable[:20]]
    if seen is not None:
        lines += [f"cannot be used: {entry.message}" for entry in seen.unusable[:20]]
    return "\n".join([*lines, *([f"to be decided: {trouble}"] if trouble else [])])


def _values(plan: Plan, seen: Survey) -> list[str]:
    some = f" (of {seen.masks:,} of {seen.total:,} masks)" if seen.masks < seen.total else ""
    lines = [f"{seen.kind}{some}:"]
    meaning: dict[int, str] = {}
    if plan.settings.classes is not None:
        try:
            classes = class_map(plan.settings, plan.root / FILE)
        except UserError as error:
            return [*lines, f"  {error}"]
        if classes.kind != seen.kind:
            lines.append(f"  `classes` names {classes.kind}, the masks hold {seen.kind}")
        other = "ignored" if classes.others else "means no class yet"
        for value in seen.values():
            meant = classes.table.get(value)
            known = (
                "ignored"
                if meant == IGNORED
                else classes.names[meant]
                if meant is not None
                else other
            )
            meaning[value] = f"  {known}"
    for value in seen.values()[:MOST_NAMED]:
        lines.append(f"  {seen.shown(value)}{meaning.get(value, '')}: {seen.share(value)}")
    return lines


def _document(plan: Plan, seen: Survey | None) -> str:
    settings = plan.settings
    lines = [f"images: {_quoted(settings.images or '')}"]
    if settings.masks:
        lines.append(f"masks: {_quoted(settings.masks)}")
    if settings.annotations:
        lines.append(f"annotations: {_quoted(settings.annotations)}")
    if settings.splits:
        lines.append("splits:")
        for name, entry in settings.splits.items():
            values = {k: v for k, v in entry.model_dump().items() if v is not None}
            inner = ", ".join(f"{key}: {_quoted(value)}" for key, value in values.items())
            lines.append(f"  {name}: {{{inner}}}  # {len(plan.splits.get(name, [])):,} images")
    else:
        found = ", ".join(f"{name} {len(paths):,}" for name, paths in plan.splits.items())
        lines.append(f"# splits: {found}")
    if plan.labelled:
        lines += _classes(settings, seen)
    return OPENING + "\n".join(lines) + "\n"


def _classes(settings: Folder, seen: Survey | None) -> list[str]:
    lines = []
    classes = settings.classes
    if classes is None and seen is not None:
        values = [v for v in seen.values() if not (seen.kind == "ids" and v == IGNORED)]
        if set(seen.pixels) == {0, IGNORED} and seen.kind == "ids":
            values = [0, IGNORED]
        lines.append("classes:  # give them their names; move what is not scored to `ignore`")
        for number, value in enumerate(values[:MOST_NAMED]):
            lines.append(f"  {seen.shown(value)}: class {number}  # {seen.share(value)}")
        void = IGNORED in seen.pixels and IGNORED not in values and seen.kind == "ids"
        lines.append("ignore: [255]" if void else "ignore: []")
        return lines
    if isinstance(classes, list):
        lines.append("classes:  # in the order of the ids, from 0")
        lines += [f"  - {_quoted(name)}" for name in classes]
    elif classes is not None:
        lines.append("classes:")
        for key, name in classes.items():
            shown = key if isinstance(key, int) else _quoted(key)
            lines.append(f"  {shown}: {_quoted(name)}")
    if settings.ignore is not None:
        lines.append(f"ignore: {json.dumps(settings.ignore)}")
    return lines


def _quoted(text: str) -> str:
    """Return a YAML string."""
    return json.dumps(text, ensure_ascii=False)
