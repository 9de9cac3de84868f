"""Which GPU a command computes on: a number of GPUs comes in, and CUDA sees one of them or none.

CUDA itself gives every process the first GPU, so that commands started side by side would share it
while others stay idle.
"""

import fcntl
import logging
import os
import re
import tempfile
from pathlib import Path
from typing import IO

log = logging.getLogger(__name__)

VISIBLE = "CUDA_VISIBLE_DEVICES"
"""Environment variable that CUDA reads once, when it starts."""
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
    folder = Path(tempfile.gettempdir()) / f"neco-gpus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    for card in cards:
        file = (folder / re.sub(r"[^\w-]", "-", card)).open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # another command holds it, or there are no locks here
            file.close()
            continue
        _held.append(file)
        os.environ[VISIBLE] = card
        return
    log.warning("all %d GPUs are held by other commands; this one shares the first", len(cards))


def visible_gpus() -> list[str]:
    """Return the GPUs that CUDA may use, by the names or numbers that it takes, without asking it.

    They are those of the environment, and else as many as the system has device files for.
    """
    stated = os.environ.get(VISIBLE)
    if stated is not None:
        return [card.strip() for card in stated.split(",") if card.strip()]
    found = [file for file in DEVICES.glob("nvidia*") if re.fullmatch(r"nvidia\d+", file.name)]
    return [str(number) for number in range(len(found))]
