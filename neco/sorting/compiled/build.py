"""Compiling the C++ kernel at its first use: its source comes in, the loaded library comes out.

The library stays in torch's cache of extensions.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
import time
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from neco.files import whole_file

logger = logging.getLogger(__name__)

SOURCE = Path(__file__).parent / "kernel.cpp"
HEADERS = (SOURCE.parent / "push_pull.h", SOURCE.parent / "vector_math.h")
# No -ffast-math: the kernel relies on the order of its operations. -march=native is left out where
# the compiler refuses it.
ALWAYS = ["-std=c++17", "-fPIC", "-shared"]
FLAGS = ["-O3", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-pthread"]
NATIVE = "-march=native"
NAME = "neco_sorting"


class KernelUnavailableError(Exception):
    """The kernel cannot be built or loaded here; the message says why."""


def load_kernel() -> ctypes.CDLL:
    """Return the kernel's library, built now if this machine has not built this source before.

    Raises KernelUnavailableError when there is no compiler or the build fails. A build that failed
    is not tried again in this process.
    """
    library = _library_or_reason()
    if isinstance(library, str):
        raise KernelUnavailableError(library)
    return library


@lru_cache(maxsize=1)
def _library_or_reason() -> ctypes.CDLL | str:
    try:
        path = cached_library(cache_directory())
        library = ctypes.CDLL(str(path))
    except (KernelUnavailableError, OSError) as error:
        return str(error)
    except (RuntimeError, ValueError) as error:  # no home folder; a quote in CXX that stays open
        return f"{type(error).__name__}: {error}"
    except subprocess.CalledProcessError as error:
        said = " ".join(error.stderr.split())
        return f"{error.cmd[0]} cannot compile it: {said[:400]}"
    library.neco_sorting_loss.restype = ctypes.c_int
    library.neco_sorting_loss.argtypes = [ctypes.c_void_p]
    return library


def cache_directory() -> Path:
    """Return the folder for this source, compiled by this compiler for this processor."""
    parts = [path.read_bytes() for path in (SOURCE, *HEADERS)]
    parts += [" ".join([*ALWAYS, *FLAGS]).encode(), _processor(), compiler().encode()]
    digest = hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    root = Path(os.environ.get("TORCH_EXTENSIONS_DIR") or caches / "torch_extensions")
    return root / f"{NAME}_{digest}"


def cached_library(directory: Path) -> Path:
    """Return the library in `directory`, which is built first where it does not exist.

    Every build has a directory of its own and is moved into place when it is complete. No lock is
    needed: processes that build at the same time move the same file, and a build that was killed
    leaves nothing that others would wait for.

    Raises KernelUnavailableError where there is no compiler, and CalledProcessError where it fails.
    """
    library = directory / f"{NAME}.so"
    if library.exists():
        return library
    if shutil.which(words_of(compiler())[0]) is None:
        raise KernelUnavailableError(f"no C++ compiler ({compiler()}); install g++ or set CXX")
    directory.mkdir(parents=True, exist_ok=True)
    _remove_killed(directory)
    logger.info("building the compiled sorting loss, once for this machine: %s", directory)
    start = time.monotonic()
    with tempfile.TemporaryDirectory(dir=directory, prefix="building_") as building:
        try:
            built = _build(Path(building), [*FLAGS, NATIVE])
        except subprocess.CalledProcessError:
            built = _build(Path(building), FLAGS)
        with whole_file(library) as unfinished:
            shutil.copyfile(built, unfinished)
    logger.info("built in %.1f s", time.monotonic() - start)
    return library


def _remove_killed(directory: Path) -> None:
    """Remove what killed builds left. A folder older than an hour is one: no build takes that."""
    for left in directory.glob("building_*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > 3600:
                shutil.rmtree(left)


def _build(directory: Path, flags: list[str]) -> Path:
    """Return the library compiled with these flags. Raises CalledProcessError if that fails."""
    built = directory / f"{NAME}.so"
    command = [*words_of(compiler()), *ALWAYS, *flags, str(SOURCE), "-o", str(built)]
    subprocess.run(command, check=True, capture_output=True, text=True, errors="replace")  # noqa: S603 (own words, no shell)
    return built


def compiler() -> str:
    """Return the C++ compiler's name: CXX of the environment, or c++."""
    return os.environ.get("CXX", "").strip() or "c++"


def words_of(name: str) -> list[str]:
    """Return a compiler as words: itself, or as in `ccache g++` what a shell makes of CXX."""
    return [name] if shutil.which(name) else shlex.split(name)


def _processor() -> bytes:
    """Return what -march=native depends on.

    Machines that share a cache then do not load one another's library.
    """
    information = Path("/proc/cpuinfo")
    if not information.exists():
        return f"{platform.machine()} {platform.processor()}".encode()
    lines = information.read_text().splitlines()
    wanted = ("model name", "flags", "Features", "CPU part")
    return "\n".join(sorted({line for line in lines if line.startswith(wanted)})).encode()
