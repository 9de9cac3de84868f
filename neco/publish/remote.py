"""published/remote, the DVC remote inside the repository: a path comes in, its objects come out.

DVC names an object by the md5 of its content, `files/md5/<2 digits>/<30 digits>`. A folder is an
object too, `<md5>.dir`, which is a JSON list of {md5, relpath}.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import yaml

from neco.errors import UserError

FOLDER = "published"
NAME = "repository"
"""What .dvc/config calls this remote."""
RESTORE = f"restore it with `git checkout -- {FOLDER}/remote`"


def remote_folder(repository: Path) -> Path:
    """Return the folder of the objects."""
    return repository / FOLDER / "remote" / "files" / "md5"


def outputs(repository: Path) -> dict[Path, dict[str, Any]]:
    """Return what every .dvc file states: the path, md5 and size (bytes) of what is published."""
    files = sorted((repository / FOLDER).glob("*/*.dvc"))
    return {file: yaml.safe_load(file.read_text())["outs"][0] for file in files}


def content(repository: Path) -> dict[Path, str]:
    """Return the md5 of every published file that this remote holds, by its path in the repository.

    Raises UserError for a list of files that is missing or damaged.
    """
    found = {}
    for file, out in outputs(repository).items():
        if out.get("remote", NAME) != NAME:
            continue
        path = file.parent.relative_to(repository) / out["path"]
        if not out["md5"].endswith(".dir"):
            found[path] = out["md5"]
            continue
        for entry in json.loads(read_object(repository, out["md5"])):
            found[path / entry["relpath"]] = entry["md5"]
    return found


def named_objects(repository: Path) -> set[str]:
    """Return the names of the objects that published files need, lists of folders included."""
    outs = [out for out in outputs(repository).values() if out.get("remote", NAME) == NAME]
    return {out["md5"] for out in outs} | set(content(repository).values())


def read_object(repository: Path, name: str) -> bytes:
    """Return an object's bytes. Raises UserError where it is missing or has another md5."""
    path = remote_folder(repository) / name[:2] / name[2:]
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path.relative_to(repository)}: missing; {RESTORE}") from None
    if hashlib.md5(data, usedforsecurity=False).hexdigest() != name.removesuffix(".dir"):
        raise UserError(f"{path.relative_to(repository)}: damaged (wrong md5); {RESTORE}")
    return data


def check(repository: Path) -> int:
    """Read every object that published files need, and return their size in bytes.

    Raises UserError for one that is missing or damaged, and where nothing was ever published.
    """
    if not (repository / FOLDER).is_dir():
        raise UserError(
            f"{repository}: holds no folder {FOLDER}; name the root of a checkout by --repository"
        )
    return sum(len(read_object(repository, name)) for name in sorted(named_objects(repository)))


def prune(repository: Path) -> list[Path]:
    """Remove objects that no published file needs any more, and return their paths.

    Older commits keep their own objects.
    """
    named, folder = named_objects(repository), remote_folder(repository)
    objects = [path for path in sorted(folder.glob("*/*")) if path.is_file()]
    unnamed = [path for path in objects if path.parent.name + path.name not in named]
    for path in unnamed:
        path.unlink()
        if not any(path.parent.iterdir()):
            path.parent.rmdir()
    return unnamed
