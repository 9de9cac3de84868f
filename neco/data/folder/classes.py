"""Which classes a folder's labels mean: a plan comes in, the class of every id or colour comes out.

dataset.yaml says it, or else lists of classes beside the masks.
"""

from neco.config.folder import Folder
from neco.data.dataset import IGNORED
from neco.data.folder.annotations import BACKGROUND
from neco.data.folder.labels import ClassMap, class_map
from neco.data.folder.lists import CLASS_FILES, class_file
from neco.data.folder.plan import FILE, Plan
from neco.data.folder.survey import Survey, survey
from neco.errors import UserError, command

# fmt: off
CITYSCAPES = {
    7: "road", 8: "sidewalk", 11: "building", 12: "wall", 13: "fence", 17: "pole",
    19: "traffic light", 20: "traffic sign", 21: "vegetation", 22: "terrain", 23: "sky",
    24: "person", 25: "rider", 26: "car", 27: "truck", 28: "bus", 31: "train", 32: "motorcycle",
    33: "bicycle",
}
# fmt: on
"""The 19 classes of Cityscapes' evaluation by their ids in `_labelIds` files."""


def fill_classes(plan: Plan, others: list[str], workers: int | None = None) -> Survey | None:
    """Fill in `classes` and `ignore` where the plan lacks them and something says them.

    Returns what the masks hold where they had to be looked at. `classes` stays None where nothing
    names any. Raises UserError, naming what to write, where the names cannot fit the masks.
    """
    settings = plan.settings
    if settings.annotations:
        _from_categories(plan)
        return None
    if settings.classes is not None or not plan.labelled:
        return None
    found = class_file(plan.root, others)
    if found is None:
        _cityscapes(plan)
        return None
    file, classes = found
    plan.used.add(file)
    plan.guessed.append(f"classes: {len(classes)} from {file}")
    plan.settings = settings.model_copy(update={"classes": classes})
    if not isinstance(classes, list) or settings.ignore is not None:
        return None
    seen = survey_of(plan, workers)
    _fit_names(plan, classes, file, seen)
    return seen


def survey_of(plan: Plan, workers: int | None = None) -> Survey:
    """Return what the masks of the plan's images hold."""
    wanted = {path for paths in plan.splits.values() for path in paths}
    masks = [plan.root / mask for image, mask in sorted(plan.masks.items()) if image in wanted]
    return survey(masks, plan.settings.orientation == "upright", workers)


def known_classes(plan: Plan) -> ClassMap:
    """Return the classes of a labelled plan. Raises UserError where nothing names them."""
    if plan.settings.classes is None:
        seen = survey_of(plan)
        values = seen.values()
        shown = ", ".join(seen.shown(value) for value in values[:12])
        more = f" and {len(values) - 12} more" if len(values) > 12 else ""
        raise UserError(
            f"{plan.root / CLASS_FILES[0]}: masks need class names, for the {seen.kind} {shown}"
            f"{more}; write one per line in the order of the ids, or run "
            f"{command('look', plan.root)}, which writes a {FILE} to edit; or prepare the images "
            "alone with `--without-labels`"
        )
    return class_map(plan.settings, plan.root / FILE)


def category_table(plan: Plan, classes: ClassMap) -> tuple[dict[str, int], int]:
    """Return the class id of every annotated category, and that of pixels without annotation."""
    ignored = plan.settings.ignore if isinstance(plan.settings.ignore, list) else []
    table = {
        name: classes.names.index(name)
        for name in plan.categories
        if name in classes.names and name not in ignored
    }
    unknown = [name for name in plan.categories if name not in table and name not in ignored]
    if unknown and plan.settings.ignore != "others":
        raise UserError(
            f"{plan.root / FILE}: the annotations have the category '{unknown[0]}', which "
            "`classes` does not name; name it, or write it into `ignore`"
        )
    plain = plan.settings.unannotated == "background"
    return table, classes.names.index(BACKGROUND) if plain and BACKGROUND in classes.names else 255


def _from_categories(plan: Plan) -> None:
    settings = plan.settings
    if settings.classes is not None:
        if not isinstance(settings.classes, list):
            raise UserError(
                f"{plan.root / FILE}: with `annotations`, `classes` is a list of category names"
            )
        return
    ignored = settings.ignore if isinstance(settings.ignore, list) else []
    names = [name for name in plan.categories if name not in ignored]
    if settings.unannotated == "background" and BACKGROUND not in names:
        names = [BACKGROUND, *names]
    plan.guessed.append(f"classes: {len(names)} from the annotations' categories")
    plan.settings = settings.model_copy(update={"classes": names})


def _cityscapes(plan: Plan) -> None:
    masks = (plan.settings.masks or "").lower()
    if not masks.endswith(("gtfine_labelids.png", "gtcoarse_labelids.png")):
        return
    plan.guessed.append(
        "classes: the 19 of Cityscapes, by the names of the masks; others are ignored"
    )
    update = {"classes": CITYSCAPES, "ignore": plan.settings.ignore or "others"}
    plan.settings = plan.settings.model_copy(update=update)


def _fit_names(plan: Plan, names: list[str], file: str, seen: Survey) -> None:
    """Take 0 and 255 as two classes where two are named; refuse names that fit no values."""
    values = set(seen.pixels)
    where = plan.root / file
    if seen.kind == "colours" and seen.masks:
        found = ", ".join(seen.shown(value) for value in seen.values()[:3])
        raise UserError(
            f"{where}: names classes, but the masks hold colours ({found}, ...), not label ids; "
            f"run {command('look', plan.root)}, which writes a {FILE} with the colours, and name "
            "them there"
        )
    if values != {0, IGNORED}:
        return
    if len(names) != 2:
        raise UserError(
            f"{where}: names {len(names)} classes, but the masks hold only 0 and 255; write, for "
            f"example, `classes: {{0: background, 255: {names[-1]}}}` into {plan.root / FILE} if "
            "255 is a class, or `ignore: [255]` if it is not"
        )
    plan.guessed.append(f"masks hold 0 and 255: 255 is '{names[1]}', not ignored")
    classes = {0: names[0], IGNORED: names[1]}
    plan.settings = plan.settings.model_copy(update={"classes": classes})


def has_background(settings: Folder, names: tuple[str, ...]) -> bool:
    """Return whether the first class is background."""
    if settings.background is not None:
        return settings.background
    return names[:1] == (BACKGROUND,)
