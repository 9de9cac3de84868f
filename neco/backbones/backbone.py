"""A backbone as the whole project uses it: images come in, a grid of patch tokens or attention
comes out."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from neco.backbones.attention import class_row
from neco.errors import UserError, first_line
from neco.precision import fast_half

SUCH_AS = ", such as dinov2-vits14 or demo-vit (docs/backbones.md)"
NOT_TRAINED = (
    "has no sequence of blocks with one grid of tokens, so it can be evaluated but not trained; "
    f"start from a Vision Transformer{SUCH_AS}"
)
"""What is told of a backbone that training cannot start from."""


class Backbone(nn.Module):
    """A timm network seen as an extractor of a grid of tokens.

    Only timm's common interfaces are used (`forward_intermediates`, `num_prefix_tokens`,
    `set_input_size`), so the network may be any Vision Transformer, and for evaluation any network
    with a feature map. The wrapped `model` keeps timm's names: its state dict is a timm state dict.
    """

    def __init__(
        self, model: Any, patch_size: int, dim: int, block: int | None = None, name: str = ""
    ) -> None:
        """Wrap `model`.

        patch_size: pixels between neighbouring tokens, which is the true stride.
        dim: channels of a token.
        block: the block whose output the tokens are, counted from the end where negative; None is
        the last one. In a hierarchical network it counts stages.
        name: as it was asked for; errors call it so.
        """
        super().__init__()
        self.name = name or type(model).__name__
        self.model = model
        self.patch_size = patch_size
        self.dim = dim
        self.block = block
        self.normed = True  # whether the network's feature maps come with its final norm
        self._native: list[Any] = []  # the network before its first resize; not a part of this
        self._side: tuple[int, int] | None = None

    def forward(self, images: Tensor) -> Tensor:
        """Return the tokens of images, after the final norm, class token and registers left out.

        images (B, 3, H, W), normalised; H and W are multiples of the patch size. Returns
        (B, rows, columns, dim), a token for each patch. The final norm is applied to an earlier
        block's tokens too. Raises UserError for a size that the network cannot take. Source: paper,
        section 4.1 (spatial tokens).
        """
        self._fit(images)
        try:
            features = self._features(images)
        except (AssertionError, RuntimeError, ValueError) as error:
            # Their subclasses are about the device or a compiler: no memory, a failed kernel.
            own = type(error) in (AssertionError, RuntimeError, ValueError)
            if not own or torch.is_grad_enabled() or self._is_native(images):
                raise
            raise UserError(f"{self._takes_not(images)} ({first_line(error, most=120)})") from None
        if (features.shape[-2], features.shape[-1]) != self.grid(images):
            raise UserError(self._takes_not(images))
        return features.permute(0, 2, 3, 1)

    def _features(self, images: Tensor) -> Tensor:
        """Return the feature map (B, dim, rows, columns) of the chosen block."""
        asked = {"indices": [-1 if self.block is None else self.block], "intermediates_only": True}
        try:
            features: Tensor = self.model.forward_intermediates(
                images, norm=self.normed, stop_early=True, **asked
            )[-1]
        except AssertionError as error:
            if not self.normed or "norm" not in str(error):
                raise
            self.normed = False  # a network whose feature maps come without a norm says so
            return self._features(images)
        return features

    def grid(self, images: Tensor) -> tuple[int, int]:
        """Return rows and columns of the tokens of images (B, 3, H, W)."""
        return images.shape[-2] // self.patch_size, images.shape[-1] // self.patch_size

    @property
    def native(self) -> Any:
        """The network as it was loaded, before any change of its size."""
        return self._native[0] if self._native else self.model

    def own_size(self) -> tuple[int, int]:
        """Return height and width in pixels that the network is built for; zeros if unknown."""
        size = getattr(getattr(self.model, "patch_embed", None), "img_size", None)
        if size is None:
            size = (getattr(self.model, "pretrained_cfg", None) or {}).get("input_size", (0, 0))
        return int(size[-2]), int(size[-1])

    def _is_native(self, images: Tensor) -> bool:
        return tuple(images.shape[-2:]) == self.own_size()

    def _takes_not(self, images: Tensor) -> str:
        (height, width), (rows, columns) = images.shape[-2:], self.own_size()
        return (
            f"{self.name} with patches of {self.patch_size} pixels cannot take "
            f"images of {height}x{width}; its own size is {rows}x{columns}"
        )

    def _fit(self, images: Tensor) -> None:
        """Set the input size of a network whose positions are stored for one size alone.

        Resampling starts from the stored positions each time, never from resampled ones.
        """
        model = self.model
        if not hasattr(model, "set_input_size") or getattr(model, "dynamic_img_size", False):
            return
        size = (images.shape[-2], images.shape[-1])
        own = self.own_size()
        if size == (self._side or own):
            return
        if torch.is_grad_enabled() and self.training:
            raise UserError(f"{self.name} trains at {own[0]}x{own[1]} pixels alone")
        native = self.native
        resized = copy.deepcopy(native)
        resized.set_input_size(img_size=size)
        self.model = resized.to(images.device)
        self._native, self._side = [native], size

    def timm_state(self) -> dict[str, Tensor]:
        """Return the state dict with the positions as they were loaded."""
        state: dict[str, Tensor] = self.native.state_dict()
        return state

    def blocks(self) -> list[nn.Module]:
        """Return the transformer's blocks, first to last; none for a network without blocks."""
        return list(self.model.blocks) if isotropic(self.model) else []

    def final_norm(self) -> nn.Module:
        """Return what comes after the last block: a norm, SAM's neck, an identity without any."""
        parts = (getattr(self.model, name, None) for name in ("norm", "neck"))
        return next((part for part in parts if isinstance(part, nn.Module)), nn.Identity())

    def prepare_training(self, *sides: int) -> None:
        """Freeze what no token depends on, after a trial with crops of these sides in pixels.

        What comes after the tokens, such as pooling by attention, would never get a gradient, which
        several processes do not forgive. Raises UserError for a network that cannot be trained:
        training sees crops of several sizes in one step, and freezes and compiles by block.
        """
        if not self.blocks():
            raise UserError(f"{self.name} {NOT_TRAINED}")
        if self.block not in (None, -1):
            raise UserError("training starts from the last block's tokens; leave --block away")
        hollow = copy.deepcopy(self).to("meta").train()
        hollow._native, hollow._side = [], None
        wanted = list(dict.fromkeys(side // self.patch_size * self.patch_size for side in sides))
        try:
            with torch.enable_grad():
                grids = [hollow(torch.empty(2, 3, n, n, device="meta")) for n in wanted]
        except Exception:  # whatever the network says of a size that it cannot take
            raise UserError(
                f"{self.name} cannot see crops of {' and '.join(map(str, sides))} pixels in one "
                "step, because its positions are stored for one size; it can be evaluated, not "
                "trained"
            ) from None
        torch.stack([tokens.sum() for tokens in grids]).sum().backward()
        reached = {n for n, weight in hollow.named_parameters() if weight.grad is not None}
        for path, weight in self.named_parameters():
            if path not in reached:
                weight.requires_grad_(False)

    def attend_for_training(self, kind: str, precision: str) -> None:
        """Attend from now on as is fastest for a pass with gradient on a device.

        kind: of the device, 'cuda' or 'cpu'. precision: as `train.precision` says it.
        Where a CPU multiplies bfloat16, plain matrix products are about three times as fast as
        PyTorch's fused kernel, whose backward pass falls back to slow code. Everywhere else the
        fused kernel is faster: in float32 up to twice (benchmarks/results/attention.jsonl).
        """
        if kind == "cpu" and precision in ("auto", "bf16-mixed") and fast_half(kind) is not None:
            for part in self.model.modules():
                if hasattr(part, "fused_attn"):
                    part.fused_attn = False

    def refuse_without_class_token(self) -> None:
        """Raise UserError for a backbone without a class token, which has no class attention."""
        if getattr(self.model, "cls_token", None) is None:
            raise UserError(
                f"{self.name} has no class token, hence no class attention; name another backbone"
            )

    @torch.no_grad()
    def class_attention(self, images: Tensor) -> Tensor:
        """Return the last block's attention of the class token to patches.

        images (B, 3, H, W). Returns (B, heads, rows, columns): the sum of a head is at most 1.
        Raises UserError for a backbone without a class token or without such an attention.
        """
        self.refuse_without_class_token()
        self._fit(images)
        blocks = self.blocks()
        rows, columns = self.grid(images)
        prefix = getattr(self.model, "num_prefix_tokens", None) or 0
        weights = blocks and class_row(lambda: self.model.forward_features(images), blocks[-1])
        if not isinstance(weights, Tensor) or weights.shape[-1] != prefix + rows * columns:
            raise UserError(
                f"{self.name} has a class token, but it does not attend to the "
                "patches in the last block, hence no class attention"
            )
        return weights[..., prefix:].unflatten(-1, (rows, columns))


def isotropic(model: Any) -> bool:
    """Return whether a network is a sequence of blocks that share one grid of tokens."""
    blocks = getattr(model, "blocks", None)
    if not isinstance(blocks, nn.ModuleList | nn.Sequential):
        return False
    return len(blocks) == len(strides(model)) and len(set(strides(model))) == 1


def strides(model: Any) -> list[int]:
    """Return the pixels between neighbouring tokens after each block or stage."""
    return [int(entry["reduction"]) for entry in _feature_info(model)]


def widths(model: Any) -> list[int]:
    """Return the channels of a token after each block or stage and the final norm."""
    return [int(entry.get("num_chs_norm") or entry["num_chs"]) for entry in _feature_info(model)]


def _feature_info(model: Any) -> list[dict[str, Any]]:
    info = getattr(model, "feature_info", None) or []
    return list(getattr(info, "info", info))


class PatchColours(Backbone):
    """Features that are the patch's own pixels, 2x2 mean colours: the least that a table starts
    from."""

    def __init__(self, patch_size: int, name: str = "patch-colours") -> None:
        super().__init__(nn.Identity(), patch_size, dim=12, name=name)

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, rows, columns, 12) for images (B, 3, H, W)."""
        rows, columns = self.grid(images)
        size = (2 * rows, 2 * columns)
        means = nn.functional.adaptive_avg_pool2d(images, size)  # (B, 3, 2 rows, 2 columns)
        cells = means.reshape(images.shape[0], 3, rows, 2, columns, 2)
        return cells.permute(0, 2, 4, 1, 3, 5).reshape(images.shape[0], rows, columns, 12)

    def class_attention(self, images: Tensor) -> Tensor:
        """Raise UserError: without a network there is no attention."""
        raise UserError("patch colours have no attention; name a Vision Transformer instead")
