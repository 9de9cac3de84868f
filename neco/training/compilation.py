"""Compiled blocks: a network comes in, and its blocks are compiled in place."""

import torch
from torch import Tensor, nn

from neco.training.student_teacher import Projected

GRAPHS = 16
"""Most graphs of one kind of block, above PyTorch's 8. The student needs one for each size of view,
and one more each where the blocks before are frozen or a pass has no gradient; the teacher one."""


class DropPath(nn.Module):
    """Stochastic depth, as timm has it, with a rate that compiled code reads when it runs.

    In timm the rate is a number, and every block has another. torch.compile would write it into the
    code, and so make a graph for every block until it gave up and left the others uncompiled.
    """

    def __init__(self, rate: float, device: torch.device) -> None:
        super().__init__()
        # It is no buffer, which several processes would send to each other in every pass.
        self.kept = torch.tensor(1 - rate, device=device)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens (B, ...) of which each image's are all zero at the rate, else enlarged."""
        if not self.training:
            return tokens
        drawn = torch.rand(len(tokens), *[1] * (tokens.ndim - 1), device=tokens.device)
        return tokens * ((drawn < self.kept) / self.kept).to(tokens.dtype)


def compile_blocks(network: Projected, backend: str = "inductor") -> None:
    """Compile a backbone's blocks in place. All share one graph for each size of view."""
    config = torch._dynamo.config
    config.recompile_limit = max(config.recompile_limit, GRAPHS)
    blocks = network.backbone.blocks()
    drops = any(hasattr(part, "drop_prob") for block in blocks for part in block.modules())
    for block in blocks:
        if drops:
            _drop_by_tensors(block)
        block.compile(dynamic=False, backend=backend)


def _drop_by_tensors(block: nn.Module) -> None:
    """Put DropPath in the place of timm's, and of what a block that drops nothing has instead."""
    device = next(block.parameters()).device
    for part in list(block.modules()):
        for name, child in part.named_children():
            nothing = name.startswith("drop_path") and isinstance(child, nn.Identity)
            if nothing or hasattr(child, "drop_prob"):
                rate = float(getattr(child, "drop_prob", None) or 0.0)
                setattr(part, name, DropPath(rate, device).train(child.training))
