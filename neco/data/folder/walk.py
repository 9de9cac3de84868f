"""The files of a folder: its path comes in, sorted lists of its files come out.

Links are followed, and files that other systems leave there are passed over.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from neco.data.left_out import LeftOut, Unusable
from neco.data.photographs import OTHER_SUFFIXES, SUFFIXES
from neco.errors import UserError

COMPANIONS = {
    *("__macosx", "@eadir", "#recycle", "$recycle.bin", "system volume information", "lost+found"),
    *("thumbs.db", "desktop.ini", "@__thumb"),
}
"""Folders and files that systems put beside one's own, in lower case."""


@dataclass
class Listing:
    """The files below a folder, as sorted relative paths with `/`."""

    root: Path
    images: list[str] = field(default_factory=list)
    """Files with the suffix of an image."""
    unread: list[str] = field(default_factory=list)
    """Photographs of kinds that are not read."""
    others: list[str] = field(default_factory=list)
    left_out: LeftOut = field(default_factory=LeftOut)


def walk(root: Path) -> Listing:
    """Return the files below `root`.

    Linked folders are followed, except back to a folder above them. Hidden files and COMPANIONS are
    passed over and counted. Dangling links are unusable, and so are folders that cannot be read and
    images of kinds that are not read. Raises UserError where `root` itself cannot be read.
    """
    listing = Listing(root)
    _walk(root, PurePosixPath(), (), listing)
    listing.images.sort()
    listing.others.sort()
    _judge_unread(listing)
    return listing


def _judge_unread(listing: Listing) -> None:
    """Pass over what a camera writes beside a JPEG of the same name. The rest is unusable."""
    names = {path.rpartition(".")[0] for path in listing.images}
    for path in sorted(listing.unread):
        stem, _, suffix = path.rpartition(".")
        if stem in names:
            listing.left_out.passed["beside a readable image of the same name"] += 1
            continue
        message = (
            f"{listing.root / path}: images of the kind .{suffix.lower()} are not read; convert it "
            "to JPEG or PNG"
        )
        listing.left_out.unusable.append(Unusable(f"of the kind .{suffix.lower()}", message))


def _walk(folder: Path, inside: PurePosixPath, above: tuple[str, ...], listing: Listing) -> None:
    real = os.path.realpath(folder)
    if real in above:
        listing.left_out.passed["linked to a folder above"] += 1
        return
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        message = f"{folder}: cannot be read ({error.strerror}); make it readable"
        if not above:
            raise UserError(message) from None
        listing.left_out.unusable.append(Unusable("unreadable folder", message))
        return
    for entry in found:
        _sort_in(entry, folder, inside, (*above, real), listing)


def _sort_in(
    entry: os.DirEntry[str],
    folder: Path,
    inside: PurePosixPath,
    above: tuple[str, ...],
    listing: Listing,
) -> None:
    path, relative = folder / entry.name, inside / entry.name
    suffix = relative.suffix.lower()
    if entry.name.startswith(".") or entry.name.lower() in COMPANIONS:
        listing.left_out.passed["hidden or of a system"] += 1
        return
    try:
        entry.name.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(path).decode(errors="replace")
        message = f"{shown}: its name is not UTF-8; rename it"
        listing.left_out.unusable.append(Unusable("with a name that is not UTF-8", message))
        return
    try:
        if entry.is_dir():
            _walk(path, relative, above, listing)
            return
        is_file = entry.is_file()
    except OSError:  # a link to itself
        is_file = False
    if is_file and suffix in OTHER_SUFFIXES:
        listing.unread.append(str(relative))
    elif is_file:
        (listing.images if suffix in SUFFIXES else listing.others).append(str(relative))
    elif entry.is_symlink():
        listing.left_out.unusable.append(
            Unusable("dangling link", f"{path}: links to nothing; renew or remove the link")
        )
    else:
        listing.left_out.passed["no file"] += 1
