"""A conda channel on disk with what envs/*.yaml ask conda for: this machine's Python, and uv.

Packed as conda packages them (an archive with info/index.json and info/paths.json) and indexed by
py-rattler, so that a solver finds them as it finds those of a channel on the network.
"""

import asyncio
import hashlib
import json
import re
import subprocess
import sys
import sysconfig
import tarfile
from io import BytesIO
from pathlib import Path

from rattler.index import index_fs

# Left out of Python: tests and windows that no rule needs, libraries to link with, other packages,
# and Debian's word that nothing is to be installed beside its own.
LEFT_OUT = re.compile(
    r"/(test|tests|idlelib|tkinter|__pycache__|(site|dist)-packages|config-[^/]+)/"
    r"|/EXTERNALLY-MANAGED$"
)


def build_channel(channel: Path) -> None:
    """Write the channel into `channel`, a folder that does not exist yet."""
    (channel / "noarch").mkdir(parents=True)
    (channel / "linux-64").mkdir()
    pack(channel / "linux-64", "python", sys.version.split()[0], python_files())
    uv = Path(sys.executable).with_name("uv")
    version = subprocess.run([uv, "--version"], check=True, capture_output=True, text=True)
    pack(channel / "linux-64", "uv", version.stdout.split()[1], {"bin/uv": uv})
    asyncio.run(index_fs(channel))


def python_files() -> dict[str, Path]:
    """Return the files of this Python: path in an environment -> file on this machine."""
    prefix = Path(sys.base_prefix)
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    binary = (prefix / "bin" / name).resolve()
    files = {f"bin/{alias}": binary for alias in ("python", "python3", name)}
    for folder in (sysconfig.get_path("stdlib"), sysconfig.get_path("platinclude")):
        for path in sorted((prefix / Path(folder).relative_to(prefix)).rglob("*")):
            inside = str(path.relative_to(prefix))
            if path.is_file() and not LEFT_OUT.search(f"/{inside}"):
                files[inside] = path
    for library in (prefix / "lib").glob("libpython3*.so*"):
        files[f"lib/{library.name}"] = library
    return files


def pack(folder: Path, name: str, version: str, files: dict[str, Path]) -> None:
    """Write one package: its files, and what conda wants to know about them."""
    index = {
        "name": name, "version": version, "build": "0", "build_number": 0, "depends": [],
        "subdir": folder.name, "arch": "x86_64", "platform": "linux",
    }  # fmt: skip
    paths = [
        {
            "_path": inside,
            "path_type": "hardlink",
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "size_in_bytes": path.stat().st_size,
        }
        for inside, path in files.items()
    ]
    about = {"info/index.json": index, "info/paths.json": {"paths": paths, "paths_version": 1}}
    with tarfile.open(folder / f"{name}-{version}-0.tar.bz2", "w:bz2", compresslevel=1) as archive:
        for inside, document in about.items():
            text = json.dumps(document).encode()
            member = tarfile.TarInfo(inside)
            member.size = len(text)
            archive.addfile(member, BytesIO(text))
        for inside, path in files.items():
            archive.add(path.resolve(), inside)


if __name__ == "__main__":
    build_channel(Path(sys.argv[1]))
