"""Lists of splits and of classes, as people write them: files come in, paths and names come out."""

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from neco.data.folder.labels import colour_number, colour_text
from neco.data.folder.patterns import as_split
from neco.data.left_out import Unusable
from neco.data.names import checked_name, listed_names
from neco.data.text import lines_of, read_any_text
from neco.errors import UserError

LIST_SUFFIXES = (".txt", ".lst", ".csv", "")
CLASS_FILES = ("classes.txt", "class_names.txt", "labels.txt", "names.txt", "codes.txt")
COLOUR_FILES = ("label_colors.txt", "label_colours.txt", "class_dict.csv", "colors.txt")

Classes = list[str] | dict[int, str] | dict[str, str]


def split_lists(others: Iterable[str]) -> dict[str, str]:
    """Return the list file of every split, from the topmost folder that has such files."""
    by_folder: dict[PurePosixPath, dict[str, str]] = defaultdict(dict)
    for path in others:
        file = PurePosixPath(path)
        split = as_split(file.stem)
        if split and file.suffix.lower() in LIST_SUFFIXES:
            by_folder[file.parent].setdefault(split, path)
    if not by_folder:
        return {}
    best = min(by_folder, key=lambda folder: (len(folder.parts), -len(by_folder[folder])))
    return by_folder[best]


class Finder:
    """Finds images by the names that lists and annotations give them."""

    def __init__(self, ids: Mapping[str, str], folder: str) -> None:
        """Take the id of every image path, and the leading folder of the images' pattern."""
        self._paths: dict[str, set[str]] = defaultdict(set)
        for path, name in ids.items():
            file = PurePosixPath(path)
            inside = PurePosixPath(path.removeprefix(folder))
            for key in (name, path, str(inside), str(file.with_suffix("")), file.name, file.stem,
                        str(inside.with_suffix("")), PurePosixPath(name).name):  # fmt: skip
                self._paths[key].add(path)

    def find(self, name: str, prefer: str = "") -> str | None:
        """Return the path of the image with a name, or None where there is none.

        prefer: a folder. Of several images, the one below it is meant. Raises UserError where
        several remain.
        """
        name = name.removeprefix("./")
        parts = PurePosixPath(name).parts
        for start in range(len(parts)):  # `set/images/a.jpg` lies in the folder `set`
            key = "/".join(parts[start:])
            found = self._paths.get(key) or self._paths.get(str(PurePosixPath(key).with_suffix("")))
            if not found:
                continue
            below = {path for path in found if prefer and path.startswith(prefer)}
            found = below or found
            if len(found) > 1:
                first, second = sorted(found)[:2]
                raise UserError(f"{name}: means {first} as well as {second}; write the folder too")
            return next(iter(found))
        return None


def listed(file: Path, finder: Finder, missing: list[Unusable], where: str) -> list[str]:
    """Return the images that a list names, each once.

    A line is a name with or without suffix and folders, alone or as the first of several columns.
    Names without an image are appended to `missing`. Raises UserError for a list without names
    and for names that lead out of the folder.
    """
    lines = lines_of(read_any_text(file))
    if not lines:
        raise UserError(f"{file}: names no image; write one a line, or remove the list")
    if not _known(lines[0], finder) and re.match(r"^\W*(image|file|id|name)", lines[0]):
        lines = lines[1:]  # the head of a table
    names = [line if _known(line, finder) else _first_column(line) for line in lines]
    paths = []
    for name in listed_names(names, file):
        path = finder.find(name)
        if path is None:
            missing.append(
                Unusable(
                    "listed but not there",
                    f"{file}: names {name}, but {where} holds no such image; mend the list or add "
                    "the image",
                )
            )
        else:
            paths.append(path)
    return list(dict.fromkeys(paths))


def _known(line: str, finder: Finder) -> bool:
    try:
        return finder.find(checked_name(line, "")) is not None
    except UserError:
        return False


def _first_column(line: str) -> str:
    first: str = re.split(r"[\s,;]+", line)[0].strip("\"'")
    return first


def class_file(root: Path, others: Iterable[str]) -> tuple[str, Classes] | None:
    """Return the file that names a folder's classes and what it says, None where there is none.

    Raises UserError for a file that cannot be understood.
    """
    there = {path.lower(): path for path in sorted(others, reverse=True)}
    for name in CLASS_FILES:
        if name in there:
            return there[name], class_names(root / there[name])
    for name in COLOUR_FILES:
        if name in there:
            return there[name], colour_names(root / there[name])
    return None


def class_names(file: Path) -> list[str]:
    """Return the names of a list, one a line, in the order of the ids.

    Raises UserError for an empty list, an empty line between names, or a name that is there twice.
    """
    names = [line.strip() for line in read_any_text(file).strip().splitlines()]
    if not names or names == [""]:
        raise UserError(
            f"{file}: masks need class names; write one per line, in the order of the ids"
        )
    if "" in names:
        raise UserError(
            f"{file}: line {names.index('') + 1} is empty, so that the ids after it are unclear; "
            "name the class or remove the line"
        )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UserError(f"{file}: names '{twice[0]}' twice; give every id a name of its own")
    return names


def colour_names(file: Path) -> dict[str, str]:
    """Return the names of colours, from lines `128 64 0 name` or `name,128,64,0`."""
    result: dict[str, str] = {}
    text = read_any_text(file)
    rows = csv.reader(text.splitlines()) if "," in text else map(str.split, text.splitlines())
    for number, row in enumerate(rows):
        cells = [cell.strip() for cell in row if cell.strip()]
        numbers = [cell for cell in cells if cell.isdigit()]
        words = [cell for cell in cells if not cell.isdigit()]
        if not cells or (number == 0 and not numbers):
            continue
        try:
            key = colour_text(colour_number(" ".join(numbers)))
        except ValueError:
            key = ""
        if not key or not words:
            raise UserError(
                f"{file}: line {number + 1} is no colour with a name, as in `128 64 0 building`"
            )
        result[key] = " ".join(words)
    if not result:
        raise UserError(f"{file}: names no colours; write lines like `128 64 0 building`")
    return result
