"""A folder in the format of timm's hub, and the proof that plain timm reads the same from it."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from neco.backbones.backbone import Backbone
from neco.backbones.spec import BackboneSpec
from neco.errors import UserError
from neco.files import read_json, write_json

TOLERANCE = 1e-5
"""How far a number may be from the run's, absolute and relative together."""
LARGEST = 224
"""Side in pixels up to which the proof looks at images."""


def write_folder(backbone: Backbone, spec: BackboneSpec, into: Path) -> None:
    """Write config.json and model.safetensors, from which timm builds and fills the network.

    The configuration holds timm's architecture, the arguments that it was built with (size of its
    positions, whether it takes other sizes), no classes, and the colours that it expects.
    """
    from timm.models import save_for_hf

    mean, deviation = spec.normalisation
    save_for_hf(
        backbone.native,
        str(into),
        model_config={"pretrained_cfg": {"tag": "neco", "license": spec.licence}},
        safe_serialization=True,
        data_config={
            "mean": mean,
            "std": deviation,
            "input_size": (3, spec.image_size, spec.image_size),
        },
    )
    config = read_json(into / "config.json", "configuration of timm", "export again")
    # It is said beside as well, and transformers, which passes it on itself, takes it once.
    config.get("model_args", {}).pop("num_classes", None)
    write_json(into / "config.json", config)
    # safetensors keeps its files to their owner; here the umask decides.
    (into / "model.safetensors").chmod((into / "config.json").stat().st_mode & 0o777)


def in_plain_timm(folder: Path) -> Any:
    """Return the network as somebody without this project loads it."""
    import timm

    return timm.create_model(f"local-dir:{folder}", pretrained=True, num_classes=0).eval()


@torch.no_grad()
def check_folder(backbone: Backbone, folder: Path) -> bool:
    """Raise UserError unless plain timm gives the run's tokens from `folder`, to TOLERANCE.

    Returns whether they are `forward_features(images)` behind the prefix tokens; otherwise they
    are the last map of `forward_intermediates`.
    """
    network = in_plain_timm(folder)
    sequence = True
    for rows, columns in trial_grids(backbone):
        images = trial_images(backbone, rows, columns)
        wanted = backbone(images)
        if not _close(_map(network, images, backbone), wanted):
            raise UserError(
                f"{folder}: plain timm does not give the same tokens from it; please report the "
                f"backbone {type(network).__name__}"
            )
        sequence = sequence and _close(_sequence(network, images, rows, columns), wanted)
    return sequence


def trial_grids(backbone: Backbone) -> list[tuple[int, int]]:
    """Return rows and columns of the images to try: two sizes, or the only one that is taken."""
    patch = backbone.patch_size
    height, width = backbone.own_size()
    side = max(min(height, LARGEST) // patch, 2)
    if takes_any_size(backbone):
        return [(side, side), (side - 1, side + 1)]
    return [(height // patch, width // patch)]


def trial_images(backbone: Backbone, rows: int, columns: int, count: int = 1) -> Tensor:
    """Return images (count, 3, H, W) of random colours, the same ones every time."""
    generator = torch.Generator().manual_seed(rows * 1000 + columns)
    size = (count, 3, rows * backbone.patch_size, columns * backbone.patch_size)
    return torch.randn(size, generator=generator)


def takes_any_size(backbone: Backbone) -> bool:
    """Return whether the network, as it is saved, takes images of sizes other than its own."""
    network = backbone.native
    embedding = getattr(network, "patch_embed", None)
    if getattr(embedding, "img_size", None) is None:
        return True
    return bool(getattr(network, "dynamic_img_size", False))


def _map(network: Any, images: Tensor, backbone: Backbone) -> Tensor:
    tokens: Tensor = network.forward_intermediates(
        images, indices=[-1], norm=backbone.normed, intermediates_only=True
    )[0]
    return tokens.permute(0, 2, 3, 1)


def _sequence(network: Any, images: Tensor, rows: int, columns: int) -> Tensor:
    tokens = network.forward_features(images)
    if tokens.ndim != 3:
        return torch.empty(0)
    tokens = tokens[:, network.num_prefix_tokens :]
    if tokens.shape[1] != rows * columns:
        return torch.empty(0)
    return tokens.unflatten(1, (rows, columns))


def _close(found: Tensor, wanted: Tensor) -> bool:
    return found.shape == wanted.shape and torch.allclose(
        found, wanted, rtol=TOLERANCE, atol=TOLERANCE
    )
