"""Build a registered backbone, fill it strictly, and take its weights out again."""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from neco.backbones.backbone import Backbone, PatchColours
from neco.backbones.convert import check_names, convert
from neco.backbones.registry import backbone_spec
from neco.backbones.spec import BackboneSpec, Random, Shipped, TimmHub
from neco.errors import UserError
from neco.files import whole_file
from neco.normalisation import IMAGENET, Colour

"""Mean and standard deviation of each channel."""


def build_network(spec: BackboneSpec, drop_path: float = 0.0) -> Any:
    """Return the timm network of a row, initialised under the seed of a `Random` source, else 0.

    The global random state is left as it was. Position embeddings cover the native grid; other
    image sizes are resampled in the forward pass (bicubic, antialiased). `drop_path` is the rate
    of the last block; earlier ones have proportionally less.
    """
    import timm

    arguments: dict[str, Any] = {"img_size": spec.image_size, **spec.overrides}
    if spec.first_blocks is not None:
        arguments["depth"] = spec.first_blocks
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.source.seed if isinstance(spec.source, Random) else 0)
        return timm.create_model(
            spec.architecture,
            pretrained=False,
            num_classes=0,
            dynamic_img_size=True,
            drop_path_rate=drop_path,
            **arguments,
        )


def load_backbone(name: str, weights: Path | None, *, drop_path: float = 0.0) -> Backbone:
    """Return the backbone `name`, in evaluation mode, filled from a safetensors file.

    weights: what `fetch_and_convert` wrote, or a student that was exported after training.
    None serves for backbones that need no file: shipped, random, patch colours.
    Raises UserError for an unknown name, a missing or broken file, and any tensor that is
    missing, unknown or misshapen.
    """
    spec = backbone_spec(name)
    if not spec.architecture:
        return PatchColours(spec.patch_size).eval()
    network = build_network(spec, drop_path)
    if weights is not None:
        fill(network, weights)
    elif isinstance(spec.source, Shipped):
        fill(network, shipped_file(spec.source))
    elif not isinstance(spec.source, Random):
        raise UserError(f"backbone '{name}' needs a weights file; fetch it with `neco weights`")
    return Backbone(network, spec.patch_size, network.embed_dim).eval()


def fill(network: torch.nn.Module, path: Path) -> None:
    """Load a safetensors file of timm names into `network`, strictly. Raises UserError."""
    try:
        state = load_file(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such weights; fetch them with `neco weights`") from None
    except (SafetensorError, OSError) as error:
        raise UserError(
            f"{path}: not a safetensors file ({error}); delete it and fetch it again"
        ) from None
    wanted = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
    check_names(state, wanted, path)
    network.load_state_dict(state, strict=True)


def source_state(spec: BackboneSpec, file: Path | None) -> dict[str, Tensor]:
    """Return the timm state dict of a row; `file` is its fetched source, None where there is none.

    Patch colours have an empty one. Raises UserError for a source that does not fit.
    """
    if not spec.architecture:
        return {}
    if isinstance(spec.source, TimmHub):
        return _from_hub(spec, spec.source)
    network = build_network(spec)
    if file is not None:
        return convert(file, spec.converter, network, spec.first_blocks)
    return {key: tensor.detach().clone() for key, tensor in network.state_dict().items()}


def _from_hub(spec: BackboneSpec, source: TimmHub) -> dict[str, Tensor]:
    import timm

    try:
        network = timm.create_model(
            source.model, pretrained=True, num_classes=0, img_size=spec.image_size
        )
    except Exception as error:  # timm passes on whatever its download library raises
        raise UserError(
            f"backbone '{spec.name}': timm could not fetch it ({str(error).splitlines()[0]}); "
            "check the network, or give a file as file:/folder/weights.safetensors@NAME"
        ) from None
    return {key: tensor.detach().clone() for key, tensor in network.state_dict().items()}


def shipped_file(source: Shipped) -> Path:
    """Return the path of a file inside this package."""
    return Path(__file__).parent / source.file


def image_normalisation(name: str) -> tuple[Colour, Colour]:
    """Return mean and standard deviation per channel of images in [0, 1] that `name` expects."""
    spec = backbone_spec(name)
    if isinstance(spec.source, TimmHub):
        import timm

        config = timm.get_pretrained_cfg(spec.source.model)
        return tuple(config.mean), tuple(config.std)
    return IMAGENET


def export_state_dict(backbone: Backbone) -> dict[str, Tensor]:
    """Return the weights as a timm state dict on the CPU, float32, ready for safetensors."""
    return {
        name: tensor.detach().to("cpu", torch.float32).contiguous().clone()
        for name, tensor in backbone.model.state_dict().items()
    }


def write_weights(state: dict[str, Tensor], into: Path, about: dict[str, str]) -> None:
    """Write a state dict and `about` as safetensors, whole or not at all.

    The same input gives the same bytes: safetensors orders several metadata keys at random, so
    `about` is one key that holds JSON.
    """
    with whole_file(into) as unfinished:
        save_file(state, unfinished, metadata={"about": json.dumps(about, sort_keys=True)})


def weights_digest(path: Path) -> str:
    """Return the sha256 of a weights file, in hexadecimal. Raises UserError if it is missing."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        raise UserError(f"{path}: no such weights; fetch them with `neco weights`") from None
