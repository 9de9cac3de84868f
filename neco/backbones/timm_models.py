"""Rows for networks that the registry does not list: those of timm, of the hub, or of a folder."""

import json
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import torch

from neco.backbones.backbone import Backbone, strides, widths
from neco.backbones.hub import asked_briefly
from neco.backbones.spec import BackboneSpec, LocalFile, TimmHub
from neco.config.base import nearest
from neco.errors import UserError, first_line
from neco.normalisation import IMAGENET

HUB, FOLDER = "hf-hub:", "local-dir:"
OPTIONAL = ("img_size", "dynamic_img_size", "drop_path_rate")
"""Arguments that some networks do not have."""


def is_timm_name(name: str) -> bool:
    """Return whether a name without prefix is one of timm's, with or without a tag."""
    import timm

    return bool(timm.is_model(name.split(".")[0]))


def create(architecture: str, **arguments: Any) -> Any:
    """Return timm's network without a classifier; arguments in `OPTIONAL` are left out if unknown.

    Raises UserError for a model that timm cannot build.
    """
    import timm

    wanted = {"pretrained": False, "num_classes": 0, **arguments}
    asks_hub = wanted["pretrained"] or architecture.startswith(HUB)
    while True:
        try:
            with asked_briefly() if asks_hub else nullcontext():
                network = timm.create_model(architecture, **wanted)
            break
        except TypeError as error:
            unknown = [name for name in OPTIONAL if name in wanted and f"'{name}'" in str(error)]
            if not unknown:
                raise
            del wanted[unknown[0]]
    if getattr(network, "attn_pool", None) is not None:
        network.reset_classifier(0, "")  # pooling by attention comes after the tokens
    return network


@cache
def timm_spec(name: str) -> BackboneSpec:
    """Return the row of `timm:MODEL`, `hf-hub:OWNER/NAME`, `local-dir:FOLDER` or a bare timm name.

    All its fields are read from the network itself, which is built without memory for weights.
    Raises UserError for an unknown name and for a network without a grid of tokens.
    """
    source: TimmHub | LocalFile
    if name.startswith(FOLDER):
        folder = Path(name.removeprefix(FOLDER))
        _refuse_foreign_folder(folder)
        architecture, source = name, LocalFile(_weights_in(folder))
    else:
        architecture = name.removeprefix("timm:")
        source = TimmHub(architecture)
        if not name.startswith(HUB):
            _refuse_unknown(name, architecture)
    network = _hollow(name, architecture)
    config = network.pretrained_cfg
    # Positions cover what the network was built for, which a folder's arguments may change.
    built = getattr(getattr(network, "patch_embed", None), "img_size", None)
    sizes = built or config.get("input_size") or (3, 224, 224)
    _refuse_without_grid(name, architecture, network, int(sizes[-1]))
    model = config.get("architecture") or architecture
    return BackboneSpec(
        name=name,
        method=architecture.removeprefix(HUB).removeprefix(FOLDER).rstrip("/").rsplit("/", 1)[-1],
        label=str(model).split(".")[0],
        architecture=architecture,
        patch_size=strides(network)[-1],
        image_size=int(sizes[-1]),
        source=source,
        converter="timm",
        licence=config.get("license") or "see timm",
        prefix_tokens=getattr(network, "num_prefix_tokens", None) or 0,
        note="weights from timm's hub",
        normalisation=(
            tuple(config.get("mean") or IMAGENET[0]),
            tuple(config.get("std") or IMAGENET[1]),
        ),
    )


def _refuse_unknown(name: str, model: str) -> None:
    import timm

    base = model.split(".")[0]
    if not timm.is_model(base):
        hint = nearest(base, timm.list_models())
        hint = hint if "did you mean" in hint else "; timm.list_models() lists them"
        raise UserError(f"backbone '{name}': timm has no such model{hint}")
    try:
        timm.get_pretrained_cfg(model)
    except RuntimeError:
        tags = [tagged.partition(".")[2] for tagged in timm.list_pretrained(f"{base}.*")]
        raise UserError(
            f"backbone '{name}': timm has no weights of this tag for {base}; "
            f"it has {', '.join(tags) or 'none'}"
        ) from None


def _hollow(name: str, architecture: str) -> Any:
    """Return the network with shapes but no weights. Raises UserError where timm cannot build
    it."""
    try:
        with torch.device("meta"):
            return create(architecture)
    except Exception as error:  # timm passes on whatever its hub and its constructors raise
        raise UserError(f"backbone '{name}': {what_failed(error, architecture)}") from None


def _refuse_without_grid(name: str, architecture: str, network: Any, native: int) -> None:
    """Raise UserError unless an image becomes a grid of exactly the stride that timm states.

    Where the stride does not divide the native size, that size proves nothing, so two sizes near it
    are tried.
    """
    try:
        stride, dim = strides(network)[-1], widths(network)[-1]
        below = max(native // stride, 1) * stride
        sides = [native] if native == below else [below, below + stride]
        if native // stride < 2:
            raise UserError(f"a {native}-pixel image is one token")
        try:
            tokens = _tokens(network, sides)
        except RuntimeError as error:
            if "meta tensors" not in str(error):
                raise
            tokens = _tokens(create(architecture), sides)  # computes with numbers on its way
        if tokens.shape[-1] != dim:
            raise UserError(f"tokens of {tokens.shape[-1]} channels, where timm states {dim}")
    except Exception as error:  # whatever the network says of such images
        reason = first_line(error, most=160)
        raise UserError(
            f"backbone '{name}': {type(network).__name__} gives no grid of tokens: {reason}"
        ) from None


def _tokens(network: Any, sides: list[int]) -> torch.Tensor:
    """Return the tokens of an image of the last of these sides, after trying them all."""
    backbone = Backbone(network, strides(network)[-1], widths(network)[-1]).eval()
    device = next(network.parameters()).device
    with torch.no_grad():
        for side in sides:
            tokens = backbone(torch.zeros(1, 3, side, side, device=device))
    return tokens


def _weights_in(folder: Path) -> Path:
    """Return the weights inside a timm folder: safetensors before PyTorch files."""
    for pattern in ("model.safetensors", "*.safetensors", "pytorch_model.bin", "*.bin", "*.pth"):
        found = sorted(folder.glob(pattern))
        if found:
            return found[0]
    raise UserError(
        f"{folder}: holds a config.json but no weights (model.safetensors); save them with "
        "timm's save_for_hf"
    )


def _refuse_foreign_folder(folder: Path) -> None:
    config = folder / "config.json"
    try:
        content = json.loads(config.read_text(encoding="utf-8"))
    except PermissionError:
        raise
    except (OSError, ValueError) as error:
        what = "no such file" if isinstance(error, FileNotFoundError) else str(error)[:80]
        raise UserError(
            f"{config}: cannot be read ({what}); a timm folder holds config.json and weights; "
            "for a file alone, write file:PATH@NAME"
        ) from None
    if not isinstance(content, dict) or "architecture" not in content:
        raise UserError(f"{config}: {_NOT_TIMMS}")


_NOT_TIMMS = (
    "names no timm architecture, so it belongs to another library; look for the model under "
    "hf-hub:timm/..., or give its file as file:PATH@NAME"
)


def what_failed(error: Exception, model: str) -> str:
    """Return one line that says why timm or its hub gave no model, and what to do."""
    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) and cause not in chain:
        chain.append(cause)
    names = {kind.__name__ for one in chain for kind in type(one).__mro__}
    reason = first_line(error, most=160)
    page = f"https://huggingface.co/{model.removeprefix(HUB)}" if HUB in model else "its page"
    if "GatedRepoError" in names:
        return (
            f"its authors ask who takes it: accept the licence on {page}, then log in with "
            "`hf auth login` or set HF_TOKEN"
        )
    if names & {"RepositoryNotFoundError", "RevisionNotFoundError"}:
        return (
            f"the hub has no such model, or shows it to its members alone; look at {page}, and "
            "log in with `hf auth login` or set HF_TOKEN where it is private"
        )
    if names & _UNREACHABLE:
        told = reason.split(". ")[0]  # the client goes on with advice of its own
        return (
            f"the hub cannot be reached ({told}); check the network, or give a file as "
            "file:/folder/weights.safetensors@NAME or a folder as local-dir:FOLDER"
        )
    if "EntryNotFoundError" in names:
        return f"the hub's model lacks a file that timm needs ({reason})"
    if isinstance(error, KeyError) and "architecture" in str(error):
        return f"its config.json {_NOT_TIMMS}"
    return f"timm could not make it ({reason})"


_UNREACHABLE = {
    "LocalEntryNotFoundError",
    "OfflineModeIsEnabled",
    "ConnectionError",
    "ConnectError",
    "TimeoutError",
    "TimeoutException",
    "URLError",
    "gaierror",
}
"""Classes of what huggingface_hub, its HTTP libraries and urllib raise without a network."""
