"""A model and the patch tokens of images, for use from Python."""

import io
from numbers import Integral, Real
from os import PathLike, fspath
from pathlib import Path
from typing import Any, overload

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import interpolate

from neco.backbones.backbone import Backbone
from neco.backbones.load import load_backbone
from neco.backbones.registry import BACKBONES, backbone_spec, is_known, shown
from neco.backbones.timm_models import FOLDER
from neco.config.base import nearest
from neco.data.photographs import colours_of, read_photograph
from neco.errors import MachineError, UserError, explained, from_os_error
from neco.export.source import source_of
from neco.features import device_of, frozen_tokens
from neco.normalisation import IMAGENET, Normalisation

Picture = str | PathLike[str] | Image.Image
"""A file or an opened image."""


class Model(nn.Module):
    """A backbone and the colours that it expects. `to(device)` moves it as any module."""

    def __init__(self, backbone: Backbone, normalisation: Normalisation = IMAGENET) -> None:
        super().__init__()
        self.backbone = backbone
        self.normalisation = normalisation
        self.patch_size, self.dim = backbone.patch_size, backbone.dim

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, H/patch, W/patch, dim) for normalised images (B, 3, H, W)."""
        tokens: Tensor = self.backbone(images)
        return tokens


def load(what: str | PathLike[str], backbone: str | None = None, block: int | None = None) -> Model:
    """Return a model in evaluation mode, on the CPU.

    what: a folder of `neco fit` or `neco train`, a folder of `neco export`, a weights file, or a
    name of docs/backbones.md, timm's, or `hf-hub:OWNER/NAME`. A folder or file of that path goes
    before a name. backbone: whose weights a file holds, where the file does not say it.
    block: whose output the tokens are, from the end where negative; None is the last one.
    Raises UserError for a place that holds no model, an unknown name, and weights that do not fit.
    """
    path = _place(what)
    _refuse_block(block)
    if not path.exists():
        name = fspath(what)
        _refuse_unknown(name, path)
        if backbone is not None:
            raise UserError(
                f"load: '{shown(name)}' is a backbone's name, so leave out backbone=, which says "
                "whose weights a file holds"
            )
        return Model(load_backbone(name, None, block=block), backbone_spec(name).normalisation)
    if backbone is not None and not isinstance(backbone, str):
        raise UserError(f"load: backbone is {backbone!r}; give a name of docs/backbones.md")
    if (path / "config.json").exists():
        name = f"{FOLDER}{path}"
        return Model(load_backbone(name, None, block=block), backbone_spec(name).normalisation)
    source = source_of(path, backbone)
    normalisation = backbone_spec(source.backbone).normalisation
    return Model(load_backbone(source.backbone, source.weights, block=block), normalisation)


WANTED = (
    "give the folder that `neco fit`, `neco train` or `neco export` wrote, a weights file, a name "
    "of docs/backbones.md, a name of timm, or hf-hub:OWNER/NAME"
)


def _place(what: Any) -> Path:
    """Return the argument of `load` as a path, whether something is there or not."""
    name = fspath(what) if isinstance(what, str | PathLike) else what
    if not isinstance(name, str):
        raise UserError(f"load: what is of type {type(what).__name__} names no model; {WANTED}")
    if not name.strip():
        raise UserError(f"load: the name is empty; {WANTED}")
    path = _at_home(name)
    try:
        path.exists()
    except OSError as error:  # a name that no file system takes
        raise UserError(f"load: '{shown(name)}': {error.strerror}; {WANTED}") from None
    return path


def _at_home(name: str) -> Path:
    """Return a path; `~` is the home folder, as in a shell."""
    return Path(name).expanduser() if name.startswith("~/") else Path(name)


def _refuse_unknown(name: str, path: Path) -> None:
    """Raise UserError for what is neither there nor a name."""
    if is_known(name):
        return
    near = nearest(name, BACKBONES)
    near = near if path.parent == Path() and "did you mean" in near else ""
    raise UserError(
        f"load: there is no file or folder '{shown(name)}' and no backbone of that name"
        f"{near or f'; {WANTED}'}"
    )


def _refuse_block(block: Any) -> None:
    if block is not None and (isinstance(block, bool) or not isinstance(block, Integral)):
        raise UserError(
            f"load: block {block!r}; give a whole number, from the end where negative, or None"
        )


@overload
def patch_tokens(model: Model, images: Picture | Tensor, size: int | None = None) -> Tensor: ...


@overload
def patch_tokens(
    model: Model, images: list[Any] | tuple[Any, ...], size: int | None = None
) -> list[Tensor]: ...


def patch_tokens(model: Model, images: Any, size: int | None = None) -> Any:
    """Return the grid of patch tokens of images, float32, without gradient.

    images: a file, a PIL image, a list of these, or a tensor (B, 3, H, W) or (3, H, W) of colours,
    integers from 0 to 255 or floats from 0 to 1. They are normalised here. A file and a PIL image
    are used as `neco prepare` uses a photograph: turned as EXIF data say, 16 bits and floats scaled
    by their range, transparent pixels laid over white.
    size: the shorter side in pixels that images are brought to; None keeps their size. Then height
    and width are each rounded to the nearest multiple of the patch size, at least one patch, and
    the image is resized to that (bilinear with antialias). So grids of one list may differ in size.
    Returns (rows, columns, dim) for one image, (B, rows, columns, dim) for a tensor of four
    dimensions, and a list of (rows, columns, dim) for a list. It runs where the model is.
    Raises UserError for a file that is no image, an image without pixels, a tensor of another shape
    or range, a size below 1 or one that the network cannot take, and for what is no model.
    """
    if not hasattr(model, "normalisation"):
        raise UserError(
            f"patch_tokens: a {type(model).__name__} is no model; give what `neco.load` returns"
        )
    number = isinstance(size, Real) and not isinstance(size, bool)
    if size is not None and not (number and 1 <= size < float("inf")):
        raise UserError(f"patch_tokens: size {size!r}; give 1 pixel or more, or None to keep sizes")
    if isinstance(images, list | tuple):
        return [patch_tokens(model, image, size) for image in images]
    if isinstance(images, Tensor):
        pixels = _colours(images)
        single = images.ndim == 3
    else:
        pixels, single = _pixels(_opened(images))[None], True
    pixels = _fitted(pixels.to(device_of(model)), model.patch_size, size)
    mean, deviation = (
        torch.tensor(part, device=pixels.device)[:, None, None] for part in model.normalisation
    )
    precision = next((p.dtype for p in model.parameters()), torch.float32)
    tokens = frozen_tokens(model.eval(), ((pixels - mean) / deviation).to(precision))
    return tokens[0] if single else tokens


def rounded_size(height: int, width: int, patch_size: int, size: int | None) -> tuple[int, int]:
    """Return the height and width at which an image is looked at; the rule of `patch_tokens`."""
    scale = 1.0 if size is None else size / min(height, width)
    rows, columns = (max(round(side * scale / patch_size), 1) for side in (height, width))
    return rows * patch_size, columns * patch_size


def _opened(picture: Any) -> Image.Image:
    if isinstance(picture, Image.Image):
        _refuse_nothing(picture.size)
        return colours_of(picture, getattr(picture, "filename", "") or "the image")
    if not isinstance(picture, str | PathLike):
        arrays = ", which PIL.Image.fromarray makes of an array" * hasattr(picture, "__array__")
        raise UserError(
            f"patch_tokens: a {type(picture).__name__} is no image; give a file, a PIL image"
            f"{arrays}, a tensor (B, 3, H, W), or a list of files or PIL images"
        )
    if not fspath(picture):
        raise UserError("patch_tokens: the name of the image is empty; give a file")
    path = _at_home(fspath(picture))
    try:
        data = path.read_bytes()
    except (FileNotFoundError, ValueError):  # also what no file system takes
        raise UserError(f"{shown(fspath(picture))}: no such image; check the path") from None
    except OSError as error:
        raise from_os_error(error) from None
    photograph = read_photograph(data, path)
    with Image.open(io.BytesIO(photograph.copy or data)) as image:
        return image.convert("RGB")


def _refuse_nothing(shape: tuple[int, ...]) -> None:
    if 0 in shape:
        raise UserError(f"patch_tokens: an image of {'x'.join(map(str, shape))} holds no pixels")


def _pixels(image: Image.Image) -> Tensor:
    """Return (3, H, W) of colours from 0 to 1."""
    data = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    return data.reshape(image.height, image.width, 3).permute(2, 0, 1).float() / 255


def _colours(images: Tensor) -> Tensor:
    """Return (B, 3, H, W) of colours from 0 to 1."""
    if images.ndim not in (3, 4) or images.shape[-3] != 3:
        last = images.ndim in (3, 4) and images.shape[-1] == 3
        turned = f"; turn it by .movedim(-1, {images.ndim - 3})" if last else ""
        raise UserError(
            f"patch_tokens: a tensor of shape {tuple(images.shape)}; (3, H, W) or (B, 3, H, W) is "
            f"wanted{turned}"
        )
    _refuse_nothing(tuple(images.shape))
    if images.layout != torch.strided:
        raise UserError("patch_tokens: a sparse tensor; give images.to_dense()")
    if images.dtype == torch.bool or images.is_complex():
        raise UserError(
            f"patch_tokens: a tensor of {images.dtype}; give integers from 0 to 255 or floats from "
            "0 to 1"
        )
    batch = (images if images.ndim == 4 else images[None]).detach().float()
    low, high = float(batch.min()), float(batch.max())
    kind, white = ("floats", 1) if images.is_floating_point() else ("integers", 255)
    if not (low >= 0 and high <= white):  # also where one is not a number
        raise UserError(
            f"patch_tokens: {kind} from {low:.3g} to {high:.3g}; give colours from 0 to {white}, "
            "which are normalised here, or call the model itself with normalised images"
        )
    return batch / white


def _fitted(pixels: Tensor, patch_size: int, size: int | None) -> Tensor:
    """Return images (B, 3, H, W) resized to whole patches."""
    wanted = rounded_size(pixels.shape[-2], pixels.shape[-1], patch_size, size)
    if wanted == tuple(pixels.shape[-2:]):
        return pixels
    try:
        return interpolate(pixels, wanted, mode="bilinear", antialias=True).clamp(0, 1)
    except RuntimeError as error:
        if explained(error) is None and "overflow" not in str(error):
            raise
        height, width = wanted
        raise MachineError(
            f"patch_tokens: images of {width} x {height} pixels do not fit into memory; give a "
            "smaller size"
        ) from None
