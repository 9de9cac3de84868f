"""Which GPU a command computes on: a number of GPUs comes in, and CUDA sees one of them or none.

CUDA itself gives every process the first GPU, so that commands started side by side would share it
while others stay idle.
"""

import errno
import fcntl
import logging
import os
import re
import stat
import tempfile
from itertools import takewhile
from pathlib import Path
from typing import IO

log = logging.getLogger(__name__)

VISIBLE = "CUDA_VISIBLE_DEVICES"
"""Environment variable that CUDA reads once, when it starts."""
ENDS = ("", "-1")
"""What ends that list: CUDA takes no GPU that stands behind."""
DEVICES = Path("/dev")
_held: list[IO[str]] = []
"""Locks of GPUs; the kernel lets them go with this process, however that ends."""


def use_gpus(count: int) -> None:
    """Show CUDA one GPU that no other command of this user holds, or none where `count` is 0.

    Call it before anything asks CUDA. With one GPU, or without any, nothing changes. Where all are
    held a warning says so, and the first one is shared.
    """
    if count == 0:
        os.environ[VISIBLE] = ""
        return
    cards = visible_gpus()
    if len(cards) < 2:
        return
    try:
        folder = _folder_of_locks()
    except OSError as error:
        log.warning("GPUs cannot be told apart (%s); this command takes the first", error)
        return
    for card in cards:
        if (lock := _locked(folder / re.sub(r"[^\w-]", "-", card))) is not None:
            _held.append(lock)
            os.environ[VISIBLE] = card
            return
    log.warning("all %d GPUs are held by other commands; this one shares the first", len(cards))


def _folder_of_locks() -> Path:
    """Return the folder of this user's locks. Raises OSError where there can be none.

    Everybody may write to the folder for temporary files, so another user may have put something
    of that name there.
    """
    folder = Path(tempfile.gettempdir()) / f"neco-gpus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(errno.EPERM, "is not this user's folder", str(folder))
    return folder


def _locked(path: Path) -> IO[str] | None:
    """Return a file that this process now holds, None where another does or it cannot be held."""
    try:
        file = path.open("w")
    except OSError:  # a full disk
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # another command holds it, or there are no locks here
        file.close()
        return None
    os.register_at_fork(after_in_child=file.close)  # a worker outlives a killed parent for a while
    return file


def visible_gpus() -> list[str]:
    """Return the GPUs that CUDA may use, by the names or numbers that it takes, without asking it.

    They are those of the environment, and else as many as the system has device files for.
    """
    stated = os.environ.get(VISIBLE)
    if stated is not None:
        return list(takewhile(lambda card: card not in ENDS, map(str.strip, stated.split(","))))
    found = [file for file in DEVICES.glob("nvidia*") if re.fullmatch(r"nvidia\d+", file.name)]
    return [str(number) for number in range(len(found))]
