"""What the registry says of a backbone: its architecture, and where its weights come from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from neco.normalisation import IMAGENET, Normalisation


@dataclass(frozen=True)
class Download:
    """A file at its official address. It has a sha256 where that is certain."""

    url: str
    sha256: str | None = None
    filename: str = ""
    """Name in the archive folder and in mirrors. Where it is empty, the last part of the
    address."""

    @property
    def file(self) -> str:
        """Return the name of the file in the archive folder."""
        return self.filename or self.url.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Wheel:
    """A file inside a wheel of the Python package index."""

    distribution: str
    version: str
    file: str
    member: str
    sha256: str


@dataclass(frozen=True)
class Shipped:
    """A safetensors file inside this package, relative to neco/backbones."""

    file: str


@dataclass(frozen=True)
class Random:
    """No file: timm's own random start under a seed, or no weights at all."""

    seed: int


@dataclass(frozen=True)
class Given:
    """A file that the user puts into the archive folder; `page` says where its authors offer it."""

    file: str
    page: str


@dataclass(frozen=True)
class LocalFile:
    """A file of the user's, at any path."""

    path: Path


@dataclass(frozen=True)
class TimmHub:
    """Weights that timm downloads itself (network needed)."""

    model: str


Source = Download | Wheel | Shipped | Random | Given | LocalFile | TimmHub


@dataclass(frozen=True)
class BackboneSpec:
    """One backbone. `method` and `label` are the names that the paper's tables use."""

    name: str
    method: str
    label: str
    architecture: str
    """timm's model name; empty for patch colours, which have no network."""
    patch_size: int
    image_size: int
    """Width and height in pixels that the network was trained with; stored positions fit its
    grid."""
    source: Source
    converter: str
    """Key of `neco.backbones.convert.CONVERTERS`."""
    licence: str
    prefix_tokens: int = 1
    """Class token and registers in front of the patch tokens."""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments that differ from timm's architecture."""
    start: str | None = None
    """For a student that NeCo's authors released, the registry name of the backbone it started
    from."""
    first_blocks: int | None = None
    """How many of a deeper checkpoint's first blocks are kept, with its final norm; None keeps
    all."""
    normalisation: Normalisation = IMAGENET
    """Mean and standard deviation of colours that the network was trained with."""
    note: str = ""
