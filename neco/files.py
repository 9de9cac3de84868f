"""Files and folders that are written whole or not at all, and text that users wrote.

One convention everywhere: what is being written lies beside its target as
`.<name>.<host>-<process>.part`. It reaches the disk before it takes the target's place, so a kill
or a power cut leaves the old content or the new. Parts that killed processes left go with the next
write of the same target.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from neco.errors import UserError

PART = ".part"
LONGEST_NAME = 160
"""Bytes of a target's name that its part's name repeats; file systems hold 255 in all."""


def refuse_no_folder(path: Path, holding: str, option: str = "") -> None:
    """Raise UserError where a folder that is read is a file, a link to nothing, or not there, and
    OSError where it may not be read.

    holding: what lies in it, in words. option: the argument that named it.
    """
    if path.is_dir():
        os.scandir(path).close()  # raises where it may not be read
        return
    where = f"{option} {path}".strip()
    if path.exists():
        raise UserError(f"{where}: is a file; name the folder that holds {holding}")
    if path.is_symlink():
        raise UserError(f"{where}: is a link that leads nowhere; mend it or name another folder")
    raise UserError(f"{where}: there is no such folder; name the folder that holds {holding}")


def refuse_no_place(path: Path, option: str) -> None:
    """Raise UserError where a file that a command writes at its end could not be written.

    Raises OSError where its folder may not be written to.
    """
    if path.is_dir():
        raise UserError(f"{option} {path}: is a folder; name a file in it")
    behind = _behind_links(path).absolute()
    there = next(folder for folder in behind.parents if folder.exists())
    if not there.is_dir():
        raise UserError(f"{option} {path}: {there} is a file; name a file in a folder")
    if not os.access(there, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(there))


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield where to write a file; at the end of the block it takes the place of `path`.

    After an error `path` is as it was and nothing else stays. The file gets the rights that the
    umask leaves, however the block creates it. A link is written through. Raises OSError with the
    file's name, also where the block met a full disk and called it something else.
    """
    path = _behind_links(path)
    made = make_folders(path.parent)
    unfinished = _part_of(path)
    done = False
    try:
        _remove_leftovers(path)
        unfinished.touch()  # O_CREAT: the umask and the folder's default rights decide the mode
        mode = unfinished.stat().st_mode & 0o777
        try:
            yield unfinished
        except Exception as error:
            raise_disk_trouble(error, unfinished, path)
            raise
        if unfinished.stat().st_mode & 0o777 != mode:
            unfinished.chmod(mode)
        to_disk(unfinished)
        unfinished.replace(path)
        done = True
    finally:
        unfinished.unlink(missing_ok=True)
        if not done:
            remove_empty(made)
    to_disk(path.parent)


@contextmanager
def opened_whole(path: Path, mode: str = "w", newline: str | None = None) -> Iterator[IO[Any]]:
    """Yield an open file; at the end of the block it takes the place of `path`: whole_file().

    mode: `w` for UTF-8 text, `wb` for bytes. newline: as for open(); csv wants "".
    """
    encoding = None if "b" in mode else "utf-8"
    with (
        whole_file(path) as unfinished,
        unfinished.open(mode, newline=newline, encoding=encoding) as file,
    ):
        yield file


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file whole or not at all."""
    with opened_whole(path) as file:
        file.write(text)


def write_json(path: Path, content: Any, **how: Any) -> None:
    """Write a JSON file whole or not at all. Raises ValueError for what JSON cannot hold."""
    write_text(path, json.dumps(content, indent=1, **how) + "\n")


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder to fill; at the end of the block it takes the place of `path`.

    After an error `path` is as it was. A link to a folder is kept: the folder behind it is
    replaced. New and old content change places in one step where the file system can do that.
    Elsewhere there are two renames, between which the old content lies beside as
    `.<name>.old.part`; the next write brings it back if the process was killed just there.
    """
    path = _behind_links(path)
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
    made = make_folders(path.parent)
    work, old = _part_of(path), path.with_name(f".{_short(path.name)}.old{PART}")
    if old.exists():
        if path.exists():
            shutil.rmtree(old)
        else:
            old.rename(path)
    _remove_leftovers(path)
    if work.exists():
        shutil.rmtree(work)
    work.mkdir()
    try:
        try:
            yield work
        except Exception as error:
            raise_disk_trouble(error, work, path)
            raise
        _file_system_to_disk(work)
        if not (path.exists() and _exchanged(work, path)):
            if path.exists():
                path.rename(old)
            try:
                work.rename(path)
            except OSError:
                if old.exists():
                    old.rename(path)
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
        if not path.exists():
            remove_empty(made)
    to_disk(path.parent)
    shutil.rmtree(old, ignore_errors=True)


def make_folders(folder: Path) -> list[Path]:
    """Make a folder and return what of it was not there, outermost first."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing[::-1]


def remove_empty(made: list[Path]) -> None:
    """Remove what `make_folders` returned, as far as it is still empty."""
    for folder in reversed(made):
        with contextlib.suppress(OSError):
            folder.rmdir()


@contextmanager
def kept_if_filled(folder: Path) -> Iterator[None]:
    """Make a folder for a block; what was made of it goes again where it is still empty."""
    made = make_folders(folder)
    try:
        yield
    finally:
        remove_empty(made)


def file_digest(path: Path) -> str:
    """Return the sha256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_text(path: Path, what: str = "text file") -> str:
    """Return a UTF-8 text file without its byte order mark.

    Raises UserError for a file that is missing or is not UTF-8, naming the encoding that it seems
    to have.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: no such {what}") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        seems = "UTF-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "Latin-1 or another"
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path}: line {line} is not UTF-8 (it seems to be {seems} encoding); save the file "
            "as UTF-8"
        ) from None


def read_json(path: Path, what: str, remedy: str) -> Any:
    """Return what a JSON file holds.

    what, remedy: for the message, as in "metrics file" and "run the evaluation first". Raises
    UserError for a file that is missing or no JSON.
    """
    if not path.exists():
        raise UserError(f"{path}: no such {what}; {remedy}")
    try:
        return json.loads(read_text(path, what))
    except json.JSONDecodeError as error:
        raise UserError(
            f"{path}: not a {what} (no JSON: {error.msg} in line {error.lineno}); {remedy}"
        ) from None


def raise_disk_trouble(error: BaseException, unfinished: Path, path: Path) -> None:
    """Raise OSError naming `path` where a full disk, quota or size limit was behind `error`.

    Libraries that write in their own code report such trouble as they like: "unexpected pos
    18896512 vs 18896400". Some name the error's number. Else the operating system is asked again:
    does one more mebibyte fit behind the part?
    """
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, OSError) and _is_elsewhere(found, unfinished):
            return  # what is read may lie on a disk that fails, too
        if isinstance(found, OSError) and found.errno in DISK_TROUBLE:
            raise OSError(found.errno, os.strerror(found.errno), str(path)) from None
        named = OS_ERROR.search(str(found))
        if named and int(named[1]) in DISK_TROUBLE:
            raise OSError(int(named[1]), os.strerror(int(named[1])), str(path)) from None
        found = found.__cause__ or found.__context__
    if isinstance(error, OSError | UserError):
        return
    try:
        room = unfinished / ".room" if unfinished.is_dir() else unfinished
        with room.open("ab") as file:
            os.posix_fallocate(file.fileno(), file.tell(), 1 << 20)
    except OSError as trouble:
        if trouble.errno in DISK_TROUBLE:
            raise OSError(trouble.errno, os.strerror(trouble.errno), str(path)) from None


def _is_elsewhere(error: OSError, unfinished: Path) -> bool:
    """Return whether an error names a file that is neither the part nor in it."""
    named = error.filename
    return isinstance(named, str | bytes | os.PathLike) and not (
        Path(os.fsdecode(named)).absolute().is_relative_to(unfinished.absolute())
    )


OS_ERROR = re.compile(r"\(os error (\d+)\)")
"""How libraries written in Rust, safetensors among them, end such a message."""
DISK_TROUBLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)


def _behind_links(path: Path) -> Path:
    """Return where a link leads, else the path; it always has a name, also for `.`."""
    return path.resolve() if path.is_symlink() or not path.name or path.name == ".." else path


def _short(name: str) -> str:
    """Return a name that leaves room for more; long ones end in a digest of the whole."""
    if len(name.encode()) <= LONGEST_NAME:
        return name
    kept = name.encode()[: LONGEST_NAME - 17].decode(errors="ignore")
    return f"{kept}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def _host() -> str:
    return _short(socket.gethostname().replace(".", "_") or "here")[:40]


def _part_of(path: Path) -> Path:
    return path.with_name(f".{_short(path.name)}.{_host()}-{os.getpid()}{PART}")


def _remove_leftovers(path: Path) -> None:
    """Remove parts of `path` whose process is gone; of other hosts nothing is known."""
    start = f".{_short(path.name)}.{_host()}-"
    with os.scandir(path.parent) as entries:
        names = [entry.name for entry in entries if entry.name.startswith(start)]
    for name in names:
        process = name.removeprefix(start).removesuffix(PART)
        if not process.isdecimal() or _is_alive(int(process)):
            continue
        left = path.with_name(name)
        with contextlib.suppress(OSError):
            shutil.rmtree(left) if left.is_dir() else left.unlink()


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def to_disk(path: Path) -> None:
    """Wait until a file or the names in a folder are on the disk."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:  # a folder that may be written but not listed
        return
    try:
        os.fsync(descriptor)
    except OSError as error:  # some network file systems cannot do it for folders
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(descriptor)


def _exchanged(first: Path, second: Path) -> bool:
    """Let two folders change places in one step; return False where the system cannot do that."""
    import ctypes

    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return bool(call(here, os.fsencode(first), here, os.fsencode(second), exchange) == 0)


def _file_system_to_disk(folder: Path) -> None:
    """Wait until everything below a folder is on the disk: one call, however many files."""
    import ctypes

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
        if syncfs is None:
            os.sync()
        elif syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)
