"""Chooses who computes the sorting loss: by device, by what is there, or as told."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

from neco.errors import UserError
from neco.sorting import chunked, compiled
from neco.sorting.row_loss import Evaluate

Implementation = Literal["auto", "reference", "torch", "compiled", "triton"]

logger = logging.getLogger(__name__)


def choose(implementation: Implementation, values: Tensor) -> Evaluate:
    """Return the function that computes the loss of `values` (N, R), and log it when it is new.

    auto: on the CPU the compiled kernel, else plain PyTorch; on CUDA Triton, else plain PyTorch;
    float64 always in plain PyTorch. Raises UserError for a named implementation that cannot run.
    """
    name: str = implementation
    if implementation == "auto":
        name = _automatic(values.device.type, values.dtype == torch.float64)
    elif implementation == "compiled":
        if values.device.type != "cpu":
            raise UserError("sorting loss: 'compiled' needs CPU tensors; use 'auto'")
        try:
            compiled.load_kernel()
        except compiled.KernelUnavailableError as error:
            raise UserError(f"sorting loss: 'compiled' cannot run ({error}); use 'auto'") from error
    elif implementation not in ("torch", "triton"):
        raise UserError(f"sorting loss: unknown implementation {implementation!r}; use 'auto'")
    _report(name, values.device.type)
    return {"torch": chunked.evaluate, "compiled": compiled.evaluate}[name]


@lru_cache(maxsize=8)
def _automatic(device: str, double: bool) -> str:
    if double:
        return "torch"
    if device == "cpu":
        try:
            compiled.load_kernel()
            return "compiled"
        except compiled.KernelUnavailableError as error:
            logger.warning(
                "the compiled sorting loss is not available (%s); plain PyTorch takes its place, "
                "about 20 times slower",
                error,
            )
    return "torch"


@lru_cache(maxsize=16)
def _report(name: str, device: str) -> None:
    logger.info("sorting loss on %s: %s", device, name)
