"""What happens to files: cut, emptied, overwritten by something else, a byte flipped."""

import io
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 88283115\n"
HTML = b"<!DOCTYPE html><html><head><title>Log in</title></head><body>403</body></html>"


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("other.txt", "something else")
    return buffer.getvalue()


def flipped(share: float) -> Callable[[bytes], bytes]:
    """Return the change of one bit at that share of the length."""

    def flip(data: bytes) -> bytes:
        at = min(len(data) - 1, int(share * len(data)))
        return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]

    return flip


def zeroed(data: bytes) -> bytes:
    """Return the content with a page of zeros in the middle, as a power cut leaves it."""
    at, size = len(data) // 3, min(4096, len(data) // 3)
    return data[:at] + bytes(size) + data[at + size :]


CUT = {
    "empty": lambda data: b"",
    "one byte": lambda data: data[:1],
    "a quarter": lambda data: data[: len(data) // 4],
    "half": lambda data: data[: len(data) // 2],
}
FOREIGN = {
    "a web page": lambda data: HTML,
    "an LFS pointer": lambda data: LFS,
    "zeros": lambda data: bytes(len(data)),
    "noise": lambda data: bytes((i * 197 + 31) % 251 for i in range(512)),
    "another zip": lambda data: _zip(),
    "a JSON list": lambda data: b"[1, 2, 3]\n",
    "UTF-16 text": lambda data: "wrong".encode("utf-16"),
}
CHANGED = {
    "a bit flipped early": flipped(0.1),
    "a bit flipped in the middle": flipped(0.5),
    "a bit flipped late": flipped(0.95),
    "a page of zeros": zeroed,
}
"""Only a digest tells these."""
PLACES = ("missing", "a folder", "a dangling link", "a link to itself")


def spoil(path: Path, how: str) -> None:
    """Damage a file in place."""
    content = CUT | FOREIGN | CHANGED
    if how in content:
        path.write_bytes(content[how](path.read_bytes()))
        return
    path.unlink()
    if how == "a folder":
        path.mkdir()
    elif how == "a dangling link":
        path.symlink_to(path.with_name("not-there"))
    elif how == "a link to itself":
        path.symlink_to(path)


def copied(source: Path, target: Path) -> Path:
    """Copy a file or folder, links as links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copyfile(source, target)
    return target
