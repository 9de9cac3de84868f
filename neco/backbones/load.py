"""Building a registered backbone, filling it with weights, and taking its weights out again."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from neco.backbones.backbone import Backbone, PatchColours, strides, widths
from neco.backbones.convert import convert, refuse_nan
from neco.backbones.registry import backbone_spec
from neco.backbones.spec import BackboneSpec, LocalFile, Random, Shipped, TimmHub
from neco.backbones.timm_models import create, what_failed
from neco.errors import UserError
from neco.files import file_digest, whole_file
from neco.normalisation import Normalisation


def build_network(spec: BackboneSpec, drop_path: float = 0.0) -> Any:
    """Return the timm network of a row, initialised under the seed of a `Random` source, else 0.

    The global random state is left as it was. Position embeddings cover the native grid; other
    image sizes are resampled in the forward pass (bicubic, antialiased) where the network can.
    `drop_path` is the rate of the last block; earlier ones have proportionally less.
    """
    arguments: dict[str, Any] = {"img_size": spec.image_size, **spec.overrides}
    if spec.first_blocks is not None:
        arguments["depth"] = spec.first_blocks
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.source.seed if isinstance(spec.source, Random) else 0)
        return create(
            spec.architecture, dynamic_img_size=True, drop_path_rate=drop_path, **arguments
        )


def load_backbone(
    name: str, weights: Path | None, *, drop_path: float = 0.0, block: int | None = None
) -> Backbone:
    """Return the backbone `name`, in evaluation mode, filled from a file.

    weights: what `fetch_and_convert` wrote, a student that was exported after training, or any
    checkpoint of the architecture. None serves for backbones that need no file (shipped, random,
    patch colours) and for those that the name itself leads to (`timm:`, `hf-hub:`, `file:`).
    block: the block whose output the tokens are, counted from the end where negative; None is the
    last one.
    Raises UserError for an unknown name, a missing or broken file, and any tensor that is
    missing, unknown or misshapen.
    """
    spec = backbone_spec(name)
    if not spec.architecture:
        return PatchColours(spec.patch_size, name).eval()
    network = build_network(spec, drop_path)
    if weights is not None:
        fill(network, weights, spec)
    elif isinstance(spec.source, Shipped):
        fill(network, shipped_file(spec.source), spec)
    elif isinstance(spec.source, LocalFile):
        fill(network, spec.source.path, spec)
    elif isinstance(spec.source, TimmHub):
        network.load_state_dict(_from_hub(spec, spec.source), strict=True)
    elif not isinstance(spec.source, Random):
        raise UserError(f"backbone '{name}' needs a weights file; fetch it with `neco weights`")
    return as_backbone(network, block, name)


def as_backbone(network: Any, block: int | None = None, name: str = "") -> Backbone:
    """Return a timm network as a backbone in evaluation mode, which errors call `name`.

    Raises UserError for a block that the network does not have.
    """
    index, count = -1 if block is None else block, len(strides(network))
    if not -count <= index < count:
        raise UserError(
            f"block {index}: {name or type(network).__name__} has {count}; count blocks (or "
            f"stages) from 0, or from the end from -1 to -{count}"
        )
    return Backbone(network, strides(network)[index], widths(network)[index], block, name).eval()


def fill(network: torch.nn.Module, path: Path, spec: BackboneSpec) -> None:
    """Load a file into `network`, strictly: safetensors or PyTorch, in any known nesting.

    Raises UserError for a file that is no weights or that does not fit.
    """
    state = convert(path, spec.converter, network, spec.first_blocks)
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
    try:
        fetched = create(source.model, pretrained=True, img_size=spec.image_size)
    except Exception as error:  # timm passes on whatever its download library raises
        raise UserError(f"backbone '{spec.name}': {what_failed(error, source.model)}") from None
    state = {key: tensor.detach().clone() for key, tensor in fetched.state_dict().items()}
    refuse_nan(state, source.model)
    return state


def shipped_file(source: Shipped) -> Path:
    """Return the path of a file inside this package."""
    return Path(__file__).parent / source.file


def image_normalisation(name: str) -> Normalisation:
    """Return mean and standard deviation per channel of images in [0, 1] that `name` expects."""
    return backbone_spec(name).normalisation


def export_state_dict(backbone: Backbone) -> dict[str, Tensor]:
    """Return the weights as a timm state dict on the CPU, float32, ready for safetensors."""
    return {
        name: tensor.detach().to("cpu", torch.float32).contiguous().clone()
        for name, tensor in backbone.timm_state().items()
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
        return file_digest(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such weights; fetch them with `neco weights`") from None
