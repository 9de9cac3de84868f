"""Which implementation computes the sorting loss.

The name that the settings give comes in, and the function that computes the loss comes out: for
`auto` the fastest one that runs here.
"""

from __future__ import annotations

import logging
import os
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

from neco.errors import UserError, first_line
from neco.sorting import chunked, compiled, triton_path
from neco.sorting.networks import NetworkName
from neco.sorting.row_loss import Evaluate, Problem, RowResult

Implementation = Literal["auto", "reference", "torch", "compiled", "triton"]

EVALUATE: dict[str, Evaluate] = {
    "torch": chunked.evaluate,
    "compiled": compiled.evaluate,
    "triton": triton_path.evaluate,
}

logger = logging.getLogger(__name__)


def choose(implementation: Implementation, network: NetworkName, values: Tensor) -> Evaluate:
    """Return the function that computes the loss of `values` (N, R), and log each new choice.

    `auto` takes the compiled kernel on a CPU and Triton on CUDA. Where these cannot run, for
    float64 and for networks that Triton does not cover, it takes plain PyTorch. It does so too once
    Triton has failed to compile. Raises UserError when an implementation that was asked for by name
    cannot run here.
    """
    device, width, double = values.device.type, values.shape[1], values.dtype == torch.float64
    if implementation == "auto":
        name = automatic(device, network, width, double)
        if name == "triton":
            _report(name, device)
            return _triton_or_torch
    elif implementation in EVALUATE:
        name = implementation
        reason = _hindrance(name, device, network, width)
        if reason:
            raise UserError(f"sorting loss: '{name}' cannot run here: {reason}; use 'auto'")
    else:
        raise UserError(f"sorting loss: unknown implementation {implementation!r}; use 'auto'")
    _report(name, device)
    return EVALUATE[name]


def _triton_or_torch(student: Tensor, teacher: Tensor, problem: Problem) -> RowResult:
    """Return Triton's result, or plain PyTorch's from the first failure of Triton on."""
    if not _failed:
        try:
            return triton_path.evaluate(student, teacher, problem)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # whatever the compiler, its assembler and the driver raise
            # The words alone are kept, since the error would hold the rows.
            _failed.append(f"{type(error).__name__}: {first_line(error)}")
            logger.warning(
                "the fast sorting loss 'triton' failed (%s); plain PyTorch takes its place",
                _failed[0],
            )
    return chunked.evaluate(student, teacher, problem)


_failed: list[str] = []
"""Why Triton is not asked any more"""


@lru_cache(maxsize=64)
def automatic(device: str, network: NetworkName, width: int, double: bool) -> str:
    """Return the name of the fastest implementation that runs; warn where it is a slower one."""
    preferred = {"cpu": "compiled", "cuda": "triton"}.get(device)
    if double or preferred is None:
        return "torch"
    reason = _hindrance(preferred, device, network, width)
    if reason is None:
        return preferred
    logger.warning(
        "the fast sorting loss '%s' cannot run here: %s; plain PyTorch takes its place",
        preferred,
        reason,
    )
    return "torch"


def _hindrance(name: str, device: str, network: NetworkName, width: int) -> str | None:
    """Return why the implementation cannot run, or None when it can."""
    if name == "compiled":
        if device != "cpu":
            return f"the tensors are on {device}"
        try:
            compiled.load_kernel()
        except compiled.KernelUnavailableError as error:
            return str(error)
    if name == "triton":
        reason = triton_path.missing()
        if reason:
            return reason
        if device != "cuda" and os.environ.get("TRITON_INTERPRET") != "1":
            return f"the tensors are on {device}"
        if not triton_path.can_run(network, width):
            return f"it covers bitonic networks of 2..{triton_path.WIDEST} values"
    return None


@lru_cache(maxsize=16)
def _report(name: str, device: str) -> None:
    """Log the choice. The cache lets each choice be logged once."""
    logger.info("sorting loss on %s: %s", device, name)
