"""Names that others wrote, in archives or lists: a name comes in, a safe one comes out.

None may lead out of its folder.
"""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from neco.errors import UserError
from neco.progress import console

LONGEST = 240
"""Most bytes of one part of a path. File systems end at 255, and suffixes are added."""


def checked_name(name: str, where: object) -> str:
    """Return `name`, a relative path with `/`, as it is.

    Raises UserError naming `where` for a name that is empty, absolute, leads out of its folder by
    `..`, or cannot be a file's name.
    """
    parts = name.replace("\\", "/").split("/")
    absolute = not parts[0] or (len(parts[0]) == 2 and parts[0][1] == ":")
    impossible = "\0" in name or any(len(part.encode(errors="replace")) > LONGEST for part in parts)
    if not name or absolute or ".." in parts or impossible:
        raise UserError(
            f"{where}: names {_shown(name)}, which would lie outside of the folder or cannot be a "
            "file's name; nothing of it is used, mend the name or get the file from its official "
            "source"
        )
    return name


def listed_names(lines: Iterable[str], where: object) -> list[str]:
    """Return the checked names of a list, each once and in its order.

    Names that occur again are counted on the console. Raises UserError as `checked_name` does.
    """
    lines = list(lines)
    names = list(dict.fromkeys(checked_name(line, where) for line in lines))
    if len(names) < len(lines):
        console.print(
            f"{where}: {len(lines) - len(names):,} names are listed again; each counts once",
            soft_wrap=True,
        )
    return names


def is_held(link: str, member: str) -> bool:
    """Return whether the target of the link `member` inside an archive stays inside."""
    if link.startswith("/"):
        return False
    depth = len(PurePosixPath(member).parent.parts)
    for part in PurePosixPath(link).parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return False
    return True


def place(folder: Path, name: str, where: object) -> Path:
    """Return the path `folder/name`, its parents made.

    Raises UserError naming `where` unless the path lies in the folder after all links between are
    resolved.
    """
    path = folder / checked_name(name, where)
    if not path.parent.resolve().is_relative_to(folder.resolve()):
        raise UserError(f"{where}: {_shown(name)} leads out of {folder} by a link; remove the link")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _shown(name: str) -> str:
    text = repr(name)
    return text if len(text) <= 80 else f"{text[:77]}..."
