"""Fetching archives: a name and an ordered list of mirrors come in, the checked file comes out.

A download is resumed, checked and put in place whole. The module needs the standard library only:
the downloaders that were looked at (pooch, plain requests) do not resume a partial file, or leave
it to their caller to check what a resumed answer is.
"""

import hashlib
import http.client
import json
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from neco.data.kinds import HEAD, other_kind, refuse_other_kind
from neco.data.sources import Archive, archives, hint, is_folder
from neco.data.text import read_any_text
from neco.errors import UserError
from neco.files import to_disk, write_json
from neco.progress import console, transfer_bar

SUMS = "SHA256SUMS"
BLOCK = 1 << 20
TIMEOUT = 60.0
ATTEMPTS = 5
"""How often a mirror is tried. Each try goes on where the last one broke off."""
UNDECLARED = 8 << 30
"""Most bytes of a file of unknown size that a server may send without declaring a length."""
PAUSE = 1.0
"""Seconds before the second try. They double with every further one."""
NETWORK = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError)


class AbsentError(Exception):
    """This mirror does not have the file. The next one is asked."""


def fetch_archive(name: str, into: Path, mirrors: list[str]) -> Path:
    """Bring the archive `name` into the folder `into` and return its path.

    mirrors: asked in order. Each is the word `official`, a folder, or a `file://` or `http(s)://`
    address under which the file lies by its name.

    A download goes to `<name>.partial`, which a later call resumes, and is renamed when it is whole
    and verified. A local file is hard-linked, or linked symbolically where it lies on another file
    system, so that an archive of 18 GB is never copied. Where a mirror has SHA256SUMS, the file has
    to agree with it. Without one, the official digest is asked of the official source and of every
    file that has exactly the official size. So a mirror may hold a subset under the official name.

    Raises UserError when no mirror has the file, and when it has the wrong digest.
    """
    if Path(name).name != name or name in ("", ".", ".."):
        raise UserError(f"{name!r}: is no file name; name an archive as `neco fetch` lists it")
    target = into / name
    if target.exists():
        if target.is_file():
            refuse_other_kind(target, name, target)
        return target
    if target.is_symlink():  # left dangling by a mirror that moved
        target.unlink()
    into.mkdir(parents=True, exist_ok=True)
    tried = []
    for mirror in mirrors:
        try:
            if mirror == "official":
                _from_official(name, target)
            elif urlsplit(mirror).scheme in ("http", "https"):
                _from_web(name, target, mirror)
            else:
                _from_folder(name, target, _folder(mirror))
            return target
        except AbsentError as reason:
            tried.append(f"{mirror} ({reason})")
        except ValueError as wrong:  # of urllib
            tried.append(f"{mirror} (no address that can be asked: {wrong})")
    raise UserError(
        f"{name}: found nowhere; tried {', '.join(tried) or 'no mirror'}; put the file into "
        f"{into}, or name a folder or http(s):// address that holds it as `mirror` in the "
        f"configuration{hint(name)}"
    )


def _folder(mirror: str) -> Path:
    parts = urlsplit(mirror)
    return Path(unquote(parts.path)) if parts.scheme == "file" else Path(mirror).expanduser()


def _from_folder(name: str, target: Path, folder: Path) -> None:
    link = folder / name
    if not link.exists():
        raise AbsentError(_why_absent(folder, link))
    source = link.resolve()  # of a hard link to a relative link nothing would be left here
    if source.is_file():
        refuse_other_kind(source, name, link)
        sums = folder / SUMS
        _verify(source, name, source, read_any_text(sums) if sums.is_file() else "", official=False)
    try:
        target.hardlink_to(source)
    except OSError:  # a folder, another file system, or one without hard links
        target.symlink_to(source)


def _why_absent(folder: Path, link: Path) -> str:
    """Return in words why there is nothing to take from a mirror that is a folder."""
    if folder.is_dir():
        return "a dangling link in this folder" if link.is_symlink() else "not in this folder"
    if re.match(r"\w+:/", str(folder)):
        return "only file, http and https addresses are asked"
    return "a file; name its folder" if folder.is_file() else "no such folder"


def _from_official(name: str, target: Path) -> None:
    archive = archives().get(name)
    if archive is None or not archive.url:
        raise AbsentError("has no public address")
    partial = download(archive.url, target)
    finish(partial, target, name, archive.url, "", official=True)


def _from_web(name: str, target: Path, base: str) -> None:
    if is_folder(name):
        raise AbsentError("a folder is not fetched over the network")
    base = base.rstrip("/")
    url = f"{base}/{quote(name)}"
    partial = download(url, target)
    finish(partial, target, name, url, _sums_of(base), official=False)


def finish(
    partial: Path, target: Path, name: str, source: str, sums: str, *, official: bool
) -> None:
    """Rename the complete `partial` to `target`. Raises UserError when it is another file."""
    try:
        refuse_other_kind(partial, name, source)
        _verify(partial, name, source, sums, official=official)
    except UserError:
        _forget(partial)
        raise
    to_disk(partial)
    partial.rename(target)
    to_disk(target.parent)
    _record(partial).unlink(missing_ok=True)


# Verification


def _verify(file: Path, name: str, source: object, sums: str, *, official: bool) -> None:
    """Raise UserError when `file` is not what its mirror or the official table promises."""
    known: Archive | None = archives().get(name)
    size = file.stat().st_size
    expected = _digest_in(sums, name)
    if not expected and known is not None:
        if official and known.size_is_exact and size != known.size:
            raise UserError(
                f"{source}: {size:,} bytes instead of {known.size:,}; the download was removed, "
                "fetch it again or name another mirror"
            )
        if official or (known.size_is_exact and size == known.size):
            expected = known.digest
        elif known.size_is_exact:
            console.print(f"{name}: {size:,} bytes, official is {known.size:,}: taken as a subset")
    if not expected:
        return
    algorithm, wanted = expected.split(":")
    found = digest_of(file, algorithm)
    if found != wanted:
        fate = "it was not taken over" if file == source else "the download was removed"
        raise UserError(
            f"{source}: wrong {algorithm} digest {found}, expected {wanted}; {fate}, fetch the "
            "archive again or name another mirror"
        )


def digest_of(file: Path, algorithm: str) -> str:
    """Return the hex digest of a file, with a progress bar."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with transfer_bar() as bar, file.open("rb") as stream:
        task = bar.add_task(
            f"verify {file.name.removesuffix('.partial')}", total=file.stat().st_size
        )
        while block := stream.read(BLOCK):
            digest.update(block)
            bar.advance(task, len(block))
    return digest.hexdigest()


def _digest_in(sums: str, name: str) -> str:
    """Return `sha256:hex` of a file named in the text of a SHA256SUMS, or an empty string."""
    for line in sums.splitlines():
        digest, _, file = line.strip().partition(" ")
        if Path(file.strip().removeprefix("*")).name == name and len(digest) == 64:
            return f"sha256:{digest.lower()}"
    return ""


def _sums_of(base: str) -> str:
    try:
        with urllib.request.urlopen(f"{base}/{SUMS}", timeout=TIMEOUT) as response:  # noqa: S310 (http(s) alone gets here)
            return str(response.read(BLOCK).decode("utf-8", errors="replace"))
    except (*NETWORK, ValueError):
        return ""


# Download


def _record(partial: Path) -> Path:
    """Return where it is noted which file of which server a partial download belongs to."""
    return partial.with_name(f"{partial.stem}.origin.partial")


def _forget(partial: Path) -> None:
    partial.unlink(missing_ok=True)
    _record(partial).unlink(missing_ok=True)


def download(url: str, target: Path) -> Path:
    """Return the path of the complete `<target>.partial`.

    Raises AbsentError when the server does not have it, cannot be reached, sends a web page
    instead, or sends more than it declared or than the file can have.
    """
    partial = target.with_name(f"{target.name}.partial")
    error: Exception | None = None
    with transfer_bar() as bar:
        task = bar.add_task(target.name, total=None)
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(PAUSE * 2 ** (attempt - 1))
            try:
                _continue(
                    url, partial, lambda done, total: bar.update(task, completed=done, total=total)
                )
                return partial
            except urllib.error.HTTPError as refusal:
                if refusal.code < 500 and refusal.code not in (408, 416, 429):
                    raise AbsentError(f"HTTP {refusal.code}") from None
                if refusal.code == 416:  # the partial is longer than the file: not of this file
                    _forget(partial)
                error = refusal
            except NETWORK as broken_off:
                error = broken_off
    kept = f"; {partial.name} is kept and resumed" if partial.exists() else ""
    raise AbsentError(f"{getattr(error, 'reason', error)}{kept}")


def _continue(url: str, partial: Path, report: Callable[[int, int | None], None]) -> None:
    """Append the rest of the file to `partial`, from the start where it cannot be resumed.

    Raises one of NETWORK when the connection ends before the file does.
    """
    origin = _read_record(partial)
    done = partial.stat().st_size if partial.exists() else 0
    if done and origin.get("url") != url:
        done = 0  # of another mirror, whose file may differ
    if done and done == origin.get("total"):
        return
    request = urllib.request.Request(url, headers={"Accept-Encoding": "identity"})  # noqa: S310 (http(s) alone gets here)
    if done:
        request.add_header("Range", f"bytes={done}-")
        if origin.get("validator"):
            request.add_header("If-Range", origin["validator"])
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310 (the request above)
        if response.status != 206:  # no Range support, or the file changed: start over
            done = 0
        elif _start_of(response.headers.get("Content-Range", "")) != done:
            _forget(partial)
            raise ConnectionError(
                f"the server answers with another part of the file than was asked for "
                f"({response.headers.get('Content-Range', 'no Content-Range')})"
            )
        length = response.headers.get("Content-Length", "").strip()
        total = done + int(length) if length.isascii() and length.isdigit() else None
        limit = _limit(partial, total)
        etag = response.headers.get("ETag", "")
        validator = etag if not etag.startswith("W/") else ""
        validator = validator or response.headers.get("Last-Modified", "")
        write_json(_record(partial), {"url": url, "total": total, "validator": validator})
        with partial.open("ab" if done else "wb") as file:
            report(done, total)
            while block := response.read(BLOCK):
                kind = "" if done else other_kind(block[:HEAD], partial.stem)
                done += len(block)
                if kind or done > limit:
                    _forget(partial)
                    raise AbsentError(
                        f"sends {kind}"
                        if kind
                        else f"sends more than the {limit:,} bytes that the file can have"
                    )
                file.write(block)
                report(done, total)
    if total is not None and done < total:
        raise ConnectionError(f"connection closed at {done:,} of {total:,} bytes")


def _start_of(content_range: str) -> int | None:
    """Return where a part of a file starts, from `bytes START-END/TOTAL`."""
    found = re.fullmatch(r"\s*bytes\s+(\d+)-\d+/(\d+|\*)\s*", content_range, re.A)
    return int(found[1]) if found else None


def _limit(partial: Path, total: int | None) -> int:
    """Return how many bytes may come, of a download whose server declares `total`.

    Raises AbsentError when the declared file is larger than the official one or than the disk's
    free space.
    """
    known = archives().get(partial.stem)
    largest = UNDECLARED if total is None else total
    if known is not None and known.size:
        largest = known.size if known.size_is_exact else 2 * known.size
    if total is None:
        return largest
    if total > largest:
        raise AbsentError(f"declares {total:,} bytes, more than the {largest:,} that it can have")
    there = partial.stat().st_size if partial.exists() else 0
    free = shutil.disk_usage(partial.parent).free
    if total - there > free:
        raise AbsentError(f"has {total:,} bytes, but {partial.parent} has room for {free:,}")
    return total


def _read_record(partial: Path) -> dict[str, Any]:
    try:
        record = json.loads(_record(partial).read_text())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
