"""What a downloaded file is: its first bytes come in, its kind comes out.

Servers send login pages under an archive's name, for example.
"""

import re
import tarfile
from pathlib import Path

from neco.errors import UserError

HEAD = 4096
"""How many of the first bytes tell what kind of file it is."""
ZIP, GZIP = (b"PK\x03\x04", b"PK\x05\x06"), (b"\x1f\x8b",)
MAGIC = {".zip": ZIP, ".whl": ZIP, ".tgz": GZIP, ".gz": GZIP}
PAGE = re.compile(rb"\s*(<!--.*?-->\s*)*<(!doctype\s+html|html|head|body|\?xml)", re.I | re.S)
POINTER = b"version https://git-lfs.github.com/spec/"


def other_kind(head: bytes, name: str) -> str:
    """Return what a file is, where by its first bytes it cannot be `name`; else an empty string."""
    suffix = Path(name).suffix.lower()
    if suffix not in (".html", ".htm", ".xml") and PAGE.match(head.removeprefix(b"\xef\xbb\xbf")):
        return "a web page (a login or an error?)"
    if head.startswith(POINTER):
        return "a Git LFS pointer"
    if not head:
        return "empty"
    if (suffix in MAGIC and not head.startswith(MAGIC[suffix])) or (
        suffix == ".tar" and not _is_tar(head)
    ):
        return f"no {suffix} file"
    return ""


def _is_tar(head: bytes) -> bool:
    block = head[: tarfile.BLOCKSIZE]
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.TarError:
        return not any(block)  # an archive without members
    return True


def refuse_other_kind(file: Path, name: str, source: object) -> None:
    """Raise UserError when `file` cannot be the file `name` by its first bytes."""
    with file.open("rb") as stream:
        kind = other_kind(stream.read(HEAD), name)
    if kind:
        raise UserError(
            f"{source}: is {kind}, not {name}; remove it and fetch the file as its page says "
            "(logged in, or with `git lfs pull`), or name another mirror"
        )
