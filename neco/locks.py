"""A lock for a folder or a file: one process at a time writes it, and a second is told which one
does."""

import contextlib
import errno
import fcntl
import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from neco.errors import UserError
from neco.files import make_folders, remove_empty

log = logging.getLogger(__name__)

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EINVAL)
"""What file systems without locks answer (Lustre mounted without `flock`)."""


@contextmanager
def held(target: Path, command: str) -> Iterator[None]:
    """Hold the folder or file `target` for this process until the end of the block.

    command: what a second process is told, as in `neco train`. The lock is `.<name>.lock` beside
    the target; the kernel lets it go with the process, however that ends. Raises UserError at once
    where another process holds it. Where the file system has no locks a warning is all.
    """
    target = target.resolve()
    if not target.name:
        raise UserError(f"{target}: is the top of all folders; name a folder in it")
    made = make_folders(target.parent)
    path = target.with_name(f".{target.name[:100]}.lock")
    try:
        with contextlib.suppress(FileNotFoundError):
            target.stat()  # a name that the system refuses, before any work
        file = _locked(path, target)
        if file is None:
            yield
            return
        # A forked worker must not keep the lock of a killed parent.
        holding = True

        def let_go_in_child() -> None:
            if holding:
                with contextlib.suppress(OSError):
                    os.close(file.fileno())

        os.register_at_fork(after_in_child=let_go_in_child)
        try:
            file.truncate()
            json.dump(_self(command), file)
            file.flush()
            yield
        finally:
            holding = False
            path.unlink(missing_ok=True)
            file.close()
    finally:
        remove_empty(made)


def _locked(path: Path, target: Path) -> IO[str] | None:
    """Return the lock's file, locked; None where there are no locks. Raises UserError if held."""
    while True:
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            told = file.read()
            file.close()
            raise UserError(f"{target}: is being written by {_holder(told)}") from None
        except OSError as error:
            file.close()
            if error.errno not in NO_LOCKS:
                raise
            log.warning("%s: this file system has no locks; start one command at a time", target)
            path.unlink(missing_ok=True)
            return None
        # The one before may have removed the file between the two calls: that lock holds nothing.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()


def _self(command: str) -> dict[str, Any]:
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    return {
        "command": command, "process": os.getpid(), "host": socket.gethostname(), "since": since
    }  # fmt: skip


def _holder(told: str) -> str:
    """Return who holds a lock, in words."""
    try:
        about = json.loads(told)
        return (
            f"`{about['command']}` (process {about['process']} on {about['host']}, since "
            f"{about['since']}); wait for it, stop it, or name another place"
        )
    except (ValueError, KeyError, TypeError):
        return "another process; wait for it, stop it, or name another place"
