"""What every part of the project asks of a backbone: patch tokens, and attention."""

from typing import Any

import torch
from torch import Tensor, nn

from neco.errors import UserError


class Backbone(nn.Module):
    """A timm Vision Transformer seen as a patch-token extractor.

    The wrapped `model` keeps timm's names, so its state dict is a timm state dict.
    """

    def __init__(self, model: Any, patch_size: int, dim: int) -> None:
        super().__init__()
        self.model = model
        self.patch_size = patch_size
        self.dim = dim

    def forward(self, images: Tensor) -> Tensor:
        """Return patch tokens after the final norm.

        images (B, 3, H, W), normalised; H and W are multiples of the patch size.
        Returns (B, H/patch, W/patch, dim). Source: paper, section 4.1 (spatial tokens).
        """
        tokens = self.model.forward_features(images)  # (B, prefix + patches, dim)
        return self.as_grid(tokens[:, self.model.num_prefix_tokens :], images)

    def as_grid(self, tokens: Tensor, images: Tensor) -> Tensor:
        """Return tokens (B, patches, dim) as (B, rows, columns, dim) of `images` (B, 3, H, W)."""
        rows, columns = (side // self.patch_size for side in images.shape[-2:])
        return tokens.reshape(tokens.shape[0], rows, columns, -1)

    def attend_plainly(self) -> None:
        """Attend by plain matrix products from now on.

        On a CPU that trains in bfloat16 this is about three times as fast as the fused kernel,
        whose backward pass falls back to slow code; on a GPU the fused one is right.
        """
        for block in self.model.blocks:
            block.attn.fused_attn = False

    @torch.no_grad()
    def class_attention(self, images: Tensor) -> Tensor:
        """Return the last block's attention of the class token to patches.

        images (B, 3, H, W). Returns (B, heads, H/patch, W/patch), rows summing to at most 1.
        Raises UserError for a backbone without a class token.
        """
        if not self.model.has_class_token:
            raise UserError("this backbone has no class token, hence no class attention")
        captured: list[Tensor] = []
        attention = self.model.blocks[-1].attn

        def capture(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            captured.append(inputs[0])

        handle = attention.register_forward_hook(capture)
        try:
            self.model.forward_features(images)
        finally:
            handle.remove()
        tokens = captured[0]  # (B, N, dim), after the block's norm
        batch, count, dim = tokens.shape
        heads = attention.num_heads
        qkv = attention.qkv(tokens).reshape(batch, count, 3, heads, dim // heads)
        query, key, _ = qkv.permute(2, 0, 3, 1, 4)  # each (B, heads, N, dim/heads)
        query, key = attention.q_norm(query), attention.k_norm(key)
        scores = (query[:, :, :1] @ key.transpose(-2, -1)) * attention.scale  # (B, heads, 1, N)
        weights = scores.softmax(dim=-1)[:, :, 0, self.model.num_prefix_tokens :]
        rows, columns = (side // self.patch_size for side in images.shape[-2:])
        return weights.reshape(batch, heads, rows, columns)


class PatchColours(Backbone):
    """The features of a patch are its own pixels, 2x2 mean colours: a floor for every table."""

    def __init__(self, patch_size: int) -> None:
        super().__init__(nn.Identity(), patch_size, dim=12)

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, H/patch, W/patch, 12) for images (B, 3, H, W)."""
        rows, columns = (side // self.patch_size for side in images.shape[-2:])
        size = (2 * rows, 2 * columns)
        means = nn.functional.adaptive_avg_pool2d(images, size)  # (B, 3, 2 rows, 2 columns)
        cells = means.reshape(images.shape[0], 3, rows, 2, columns, 2)
        return cells.permute(0, 2, 4, 1, 3, 5).reshape(images.shape[0], rows, columns, 12)

    def class_attention(self, images: Tensor) -> Tensor:
        """Raise UserError: without a network there is no attention."""
        raise UserError("patch colours have no attention; name a Vision Transformer instead")
