"""The class token's attention in the last block of a network, of whatever class the network is."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

Call = tuple[Tensor, Tensor, Tensor | None, float]
"""One call of attention: its queries and keys (B, heads, N, width of a head), its bias or mask, and
its scale."""


class _Listener(TorchFunctionMode):
    """Keeps what attention is computed from, for as long as it is `listening`."""

    def __init__(self) -> None:
        super().__init__()
        self.listening = False
        self.calls: list[Call] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if self.listening and func is scaled_dot_product_attention:
            query, key = args[:2]
            mask = args[3] if len(args) > 3 else kwargs.get("attn_mask")
            scale = kwargs.get("scale")
            self.calls.append((query, key, mask, scale or query.shape[-1] ** -0.5))
        return func(*args, **kwargs)


def class_row(run: Callable[[], object], block: nn.Module) -> Tensor | None:
    """Return the first token's attention to all N tokens in one block, (B, heads, N).

    run: sends B images through the network. Meanwhile the block uses PyTorch's fused attention, and
    its queries and keys are kept as they are there, after rotations, norms and biases. Returns None
    where the block has no attention, or none with one softmax over all tokens.
    """
    listener = _Listener()

    def start(*_: Any) -> None:
        listener.listening = True

    def stop(*_: Any) -> None:
        listener.listening = False

    handles = (block.register_forward_pre_hook(start), block.register_forward_hook(stop))
    try:
        with _fused_and_uncompiled(block), listener:
            run()
    finally:
        for handle in handles:
            handle.remove()
    if len(listener.calls) != 1:
        return None
    query, key, mask, scale = listener.calls[0]
    if query.ndim != 4 or query.shape != key.shape:
        return None
    scores = (query[:, :, :1] @ key.transpose(-2, -1)) * scale  # (B, heads, 1, N)
    if mask is not None:
        row = mask.expand(*mask.shape[:-2], query.shape[-2], key.shape[-2])[..., :1, :]
        scores = scores.masked_fill(~row, -torch.inf) if row.dtype == torch.bool else scores + row
    return scores.softmax(dim=-1)[:, :, 0]


@contextmanager
def _fused_and_uncompiled(block: nn.Module) -> Iterator[None]:
    """While entered, the fused kernel is called from plain Python, where the call can be kept."""
    switched = [part for part in block.modules() if getattr(part, "fused_attn", None) is False]
    compiled = getattr(block, "_compiled_call_impl", None)
    for part in switched:
        part.fused_attn = True  # type: ignore[assignment]
    block._compiled_call_impl = None
    try:
        yield
    finally:
        block._compiled_call_impl = compiled
        for part in switched:
            part.fused_attn = False  # type: ignore[assignment]
