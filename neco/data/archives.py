"""Files inside zip and tar archives: an archive's path comes in, its members come out.

Any process can read a member without unpacking the archive.
"""

import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO

from neco.data.names import checked_name, is_held
from neco.data.text import decoded, lines_of
from neco.errors import UserError, command

BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    struct.error,
    lzma.LZMAError,
)
"""What the standard library raises on truncated or damaged archives."""

AGAIN = "delete it and fetch it again"
LARGEST = 512 << 20
"""Bytes that one member read at once may have: far more than any photograph, mask or list."""
LARGEST_NESTED = 8 << 30
"""Bytes that an archive inside an archive may have; COCO's largest has 0.8 GB."""


def broken(archive: Path, error: Exception) -> UserError:
    """Return the error for an archive that cannot be read."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return UserError(f"{archive}: truncated or damaged archive ({reason}); {AGAIN}")


@dataclass(frozen=True)
class Member:
    """One file inside an archive. It is small and can be pickled, so that workers can read it."""

    archive: Path
    name: str
    offset: int
    """Where the bytes start in an uncompressed tar. It is -1 in a zip."""
    size: int

    def __str__(self) -> str:
        return f"{self.archive}: {self.name}"

    def read(self) -> bytes:
        """Return the bytes. A zip's checksum is verified.

        Raises UserError for a damaged member, and for one larger than any file of these archives.
        """
        _refuse_giant(self, self.size, LARGEST)
        try:
            if self.offset < 0:
                return _zip(self.archive).read(self.name)
            with self.archive.open("rb") as file:
                file.seek(self.offset)
                data = file.read(self.size)
        except BROKEN as error:
            raise broken(self.archive, error) from None
        if len(data) < self.size:
            raise broken(self.archive, EOFError(f"ends inside {self.name}"))
        return data

    def read_lines(self) -> list[str]:
        """Return the stripped lines that are not empty."""
        return lines_of(decoded(self.read(), self))

    def open(self) -> IO[bytes]:
        """Return the bytes of a zip's member as a stream."""
        return _zip(self.archive).open(self.name)


def _zip(path: Path) -> zipfile.ZipFile:
    status = path.stat()
    return _open_zip(path, status.st_ino, status.st_mtime_ns)


@lru_cache(maxsize=4)
def _open_zip(path: Path, _inode: int, _modified: int) -> zipfile.ZipFile:
    """Return an opened zip. It is kept, because reading COCO's table of contents takes a second."""
    return zipfile.ZipFile(path)


Members = dict[str, Member]


def members_of(path: Path) -> Members:
    """Return the files of a zip or an uncompressed tar by name.

    Raises UserError for a missing or damaged archive, and for one with a member whose name or link
    leads out of the folder.
    """
    if not path.is_file():
        raise missing(path)
    try:
        if path.suffix == ".zip":
            infos = _zip(path).infolist()
            return {
                checked_name(i.filename, path): Member(path, i.filename, -1, i.file_size)
                for i in infos
            }
        with tarfile.open(path, "r:") as tar:
            return {
                name: Member(path, name, info.offset_data, info.size)
                for name, info in _files(tar, path)
            }
    except BROKEN as error:
        raise broken(path, error) from None


def stream(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield (name, bytes) of each file of a compressed tar, in the order of the archive.

    A compressed tar has no cheap random access, so it is read once, front to back.
    Raises UserError for a missing or damaged archive.
    """
    if not path.is_file():
        raise missing(path)
    try:
        with tarfile.open(path, "r|*") as tar:
            for name, info in _files(tar, path):
                _refuse_giant(f"{path}: {name}", info.size, LARGEST)
                file = tar.extractfile(info)
                assert file is not None  # noqa: S101 (for mypy)
                data = file.read()
                if len(data) < info.size:
                    raise EOFError(f"ends inside {name}")
                yield name, data
    except BROKEN as error:
        raise broken(path, error) from None


def _files(tar: tarfile.TarFile, path: Path) -> Iterator[tuple[str, tarfile.TarInfo]]:
    """Yield (name, entry) of each file. Raises UserError for a name or a link that leads out."""
    for info in tar:
        name = info.name.removeprefix("./")
        if name not in ("", "."):
            checked_name(name, path)
        if (info.issym() and not is_held(info.linkname, name)) or (
            info.islnk() and not is_held(info.linkname, "")
        ):
            raise UserError(
                f"{path}: {name} is a link to {info.linkname}, out of the archive; {AGAIN} "
                "from its official source"
            )
        if info.isfile():
            yield name, info


def _refuse_giant(what: object, size: int, limit: int) -> None:
    if size > limit:
        raise UserError(
            f"{what}: unpacks to {size:,} bytes, more than any such file of the official archives "
            f"({limit:,} at most); {AGAIN} from its official source"
        )


def missing(path: Path) -> UserError:
    """Return the error for an archive that is not there."""
    return UserError(
        f"{path}: no such archive; put it there or fetch it with "
        f"{command('fetch', path.name, '--into', path.parent, '--mirror', 'WHERE')} (`official`, a "
        "folder or an address)"
    )


def member(members: Members, name: str, archive: Path) -> Member:
    """Return one member. Raises UserError when the archive lacks it."""
    if name not in members:
        raise UserError(
            f"{archive}: holds no {name}; it is not the official archive of that name or only "
            f"part of it; {AGAIN}"
        )
    return members[name]


def unpack_nested(outer: Member, into: Path) -> Members:
    """Copy a zip that lies inside a zip to `into`, and return its files by name.

    The outer zip may be compressed, and the copy gives random access. The caller deletes it. Raises
    UserError for a damaged zip, and for one that unpacks to more than LARGEST_NESTED.
    """
    _refuse_giant(outer, outer.size, LARGEST_NESTED)
    into.parent.mkdir(parents=True, exist_ok=True)
    try:
        with outer.open() as source, into.open("wb") as target:
            while block := source.read(io.DEFAULT_BUFFER_SIZE * 128):
                target.write(block)
    except BROKEN as error:
        raise broken(outer.archive, error) from None
    return members_of(into)
