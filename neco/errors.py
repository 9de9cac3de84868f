"""Errors that a user can act on: printed as one line, never as a traceback.

Every command ends with one of these statuses:

    0        done
    1        something the user can mend; the line says what, where and how. A bug ends with 1 as
             well, and keeps its traceback
    2        the command line is wrong
    3        the machine could not: no space, no memory, a process killed, a disk or network error;
             the same command may succeed later or elsewhere
    128 + n  stopped by signal n: 130 by Ctrl-C, 143 by SIGTERM; a training has saved its state
"""

import errno
import os
import re
import shlex

TRACEBACK = "NECO_TRACEBACK"
"""Environment variable: where it is set, errors of every kind keep their traceback."""


def command(*words: object) -> str:
    """Return a command of this project as a shell takes it, to be put into a message."""
    return f"`{shlex.join(['python', '-m', 'neco', *map(str, words)])}`"


class UserError(Exception):
    """Something the user can mend: the message says what, where, and what to do."""

    status = 1
    """With which the command ends."""


class MachineError(UserError):
    """What the machine could not do; the same command may succeed later or elsewhere."""

    status = 3


class StoppedError(UserError):
    """Stopped by a signal, with everything saved that the same command continues from."""

    def __init__(self, message: str, number: int = 15) -> None:
        super().__init__(message)
        self.status = 128 + number


def explained(error: BaseException) -> UserError | None:
    """Return an error of the user's or the machine's kind as one line, None for a bug.

    What was raised in a DataLoader's worker arrives as text inside another error of the same kind;
    it is taken out of there.
    """
    if os.environ.get(TRACEBACK):
        return None
    text = str(error)
    inner = WORKER_ERROR.match(text)
    if inner is not None:
        return _from_worker(inner["traceback"])
    if isinstance(error, UserError):
        return error
    if isinstance(error, OSError):
        return from_os_error(error)
    if isinstance(error, UnicodeDecodeError):
        return UserError(
            f"a text is not {error.encoding} (byte {error.start}); save the file as UTF-8"
        )
    if isinstance(error, MemoryError):
        size = first_line(error) if text else "no size told"
        return MachineError(f"not enough memory ({size}); {LESS}")
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "OutOfMemoryError" in kinds:
        return MachineError(f"the GPU's memory is full ({first_line(error)}); {LESS_ON_GPU}")
    if "BrokenExecutor" in kinds:
        return MachineError(f"a process of this command was killed; {KILLED}")
    if isinstance(error, RuntimeError):
        return _from_settings(text) or _from_torch(text)
    return None


def first_line(error: BaseException, most: int | None = None) -> str:
    """Return the first line of what an error says, at most so many characters; else its kind."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:most]


def interrupt_behind(error: BaseException) -> KeyboardInterrupt | None:
    """Return the interrupt that an error came from, None without one.

    A signal that Python hears while it makes a class, as in a late import, arrives as the cause of
    a RuntimeError.
    """
    seen: set[int] = set()
    behind: BaseException | None = error
    while behind is not None and id(behind) not in seen:
        if isinstance(behind, KeyboardInterrupt):
            return behind
        seen.add(id(behind))
        behind = behind.__cause__ or behind.__context__
    return None


def from_os_error(error: OSError) -> UserError:
    """Return what the operating system refused, where, and what to do, as one line."""
    where = error.filename2 or error.filename
    place = f"{os.fsdecode(where)}: " if isinstance(where, str | bytes | os.PathLike) else ""
    if error.errno is None or error.strerror is None:
        return UserError(place + first_line(error))
    kind = MachineError if error.errno in MACHINES else UserError
    return kind(f"{place}{error.strerror.lower()}; {REMEDIES.get(error.errno, 'check it')}")


ENOUGH = "make room there or write to another place, then run the same command again"
LESS = "ask for more, or lower the batch size and the number of workers or processes"
LESS_ON_GPU = (
    "end other programs on this GPU, lower train.batch_size or extraction.batch_size, raise "
    "train.accumulate, or take a larger GPU"
)
KILLED = (
    "the system kills processes when memory runs out: ask for more memory, or lower the number of "
    "workers or processes"
)
SHARED = (
    "workers could not hand over a batch through shared memory; make /dev/shm larger (docker run "
    "--shm-size=8g), lower train.workers or extraction.workers, or set them to 0"
)
REMEDIES = {
    errno.ENOSPC: ENOUGH,
    errno.EDQUOT: ENOUGH,
    errno.EFBIG: "raise the limit of file sizes (ulimit -f) or write to another file system",
    errno.EACCES: "change its rights or name another place",
    errno.EPERM: "change its rights or name another place",
    errno.EROFS: "name a place that can be written",
    errno.ENOENT: "check the path",
    errno.EEXIST: "there is a file where a folder should be; move it away or name another place",
    errno.ENOTDIR: "there is a file where a folder should be; move it away or name another place",
    errno.EISDIR: "there is a folder where a file should be; name a file",
    errno.ENOTEMPTY: "empty the folder or name another",
    errno.ENAMETOOLONG: "shorten the name",
    errno.ELOOP: "its links lead in a circle; mend them",
    errno.EMFILE: "raise the limit of open files (ulimit -n) or lower the number of workers",
    errno.ENFILE: "raise the limit of open files or lower the number of workers",
    errno.ENOMEM: LESS,
    errno.EIO: "the disk or its network failed; check it and run the same command again",
    errno.ESTALE: "the network folder went away; check it and run the same command again",
    errno.EBUSY: "something else uses it; end that or name another place",
    errno.EXDEV: "name a place on the same file system",
}
MACHINES = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO),
    *(errno.ESTALE, errno.EAGAIN, errno.ETIMEDOUT, errno.ECONNRESET, errno.ENETUNREACH),
}

WORKER_ERROR = re.compile(
    r"['\"]?Caught \w+ in .*?worker.*?Original Traceback \(most recent call last\):"
    r"(?P<traceback>.*)",
    re.DOTALL,
)
"""How torch passes on what a worker raised."""
RAISED = re.compile(r"^(?P<kind>[\w.]+)(?:: (?P<message>.*))?$")
NUMBERED = re.compile(r"\[Errno (?P<number>\d+)\] [^:]*(?:: '(?P<file>.*)')?$")


def _from_worker(traceback: str) -> UserError | None:
    """Return the last error of a worker's traceback as one line, None for a bug."""
    raised = [
        match
        for line in traceback.splitlines()
        if not line.startswith((" ", "\t")) and (match := RAISED.match(line))
    ]
    if not raised:
        return None
    kind, message = raised[-1]["kind"].rpartition(".")[2], raised[-1]["message"] or ""
    found = {known.__name__: known for known in (UserError, MachineError)}.get(kind)
    if found is not None:
        return found(message)
    numbered = NUMBERED.search(message)
    if numbered is not None:
        number = int(numbered["number"])
        return from_os_error(OSError(number, os.strerror(number), numbered["file"]))
    if kind in ("MemoryError", "_ArrayMemoryError"):
        return MachineError(f"not enough memory in a worker ({message or 'no size told'}); {LESS}")
    if kind in ("OSError", "UnidentifiedImageError", "DecompressionBombError"):
        return UserError(message)
    return _from_torch(message) if kind == "RuntimeError" else None


def _from_settings(text: str) -> UserError | None:
    """Return what the user asked for and Python or torch refuse by a bare RuntimeError, or None."""
    loop = re.match(r"Symlink loop from '(?P<path>.*)'", text)
    if loop is not None:
        return from_os_error(OSError(errno.ELOOP, os.strerror(errno.ELOOP), loop["path"]))
    if "cannot be converted to type" in text and "overflow" in text:
        return UserError("a number is too large for float32; lower the setting that has it")
    return None


def _from_torch(text: str) -> UserError | None:
    """Return what torch reports as a bare RuntimeError of the machine's kind, None for a bug."""
    for pattern, line in TORCH:
        if re.search(pattern, text):
            return MachineError(line)
    return None


TORCH = (
    (r"DataLoader worker .*out of shared memory", SHARED),
    (r"unable to (write to file|open shared memory|allocate shared memory|mmap)", SHARED),
    (
        r"DataLoader worker \(pid.*\) (is killed by signal|exited unexpectedly)",
        f"a worker that reads images was killed; {KILLED}",
    ),
    (
        r"(Too many open files|received \d+ items of ancdata)",
        f"too many open files; {REMEDIES[errno.EMFILE]}",
    ),
    (
        r"(can't allocate memory|DefaultCPUAllocator|not enough memory)",
        f"not enough memory; {LESS}",
    ),
    (r"CUDA (error: )?out of memory", f"the GPU's memory is full; {LESS_ON_GPU}"),
    (r"No space left on device", f"no space left on device; {ENOUGH}"),
)
"""What to look for in torch's messages, and what it means."""
