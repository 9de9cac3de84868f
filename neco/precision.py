"""Devices: a device comes in, its name and the arithmetic that `auto` means on it come out."""

import logging
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import torch

log = logging.getLogger(__name__)


@cache
def fast_half(kind: str) -> torch.dtype | None:
    """Return the half precision that is much faster than float32, or None where none is.

    kind: 'cuda' or 'cpu'. None, too, where the environment holds PyTorch to older instructions than
    the processor has (ATEN_CPU_CAPABILITY=avx2).
    """
    if kind == "cuda":
        return torch.float16
    description = Path("/proc/cpuinfo")
    flags = description.read_text().split() if description.exists() else []
    has = {"avx512_bf16", "amx_bf16"} & set(flags)
    may = torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    return torch.bfloat16 if has and may else None


def training_precision(asked: str, kind: str | None = None) -> str:
    """Return the precision to train in: `asked`, or what `auto` means on 'cuda' or 'cpu'.

    `auto` is bfloat16 where the hardware multiplies it, else float32. A CPU or a GPU (V100, T4)
    without such instructions emulates bfloat16, which on a CPU was measured to be about fifty times
    slower than float32. It is used there only if it is asked for by name, and with a warning.
    """
    kind = kind or ("cuda" if torch.cuda.is_available() else "cpu")
    if kind == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = fast_half(kind) is not None
    if asked == "auto":
        return "bf16-mixed" if fast else "32-true"
    if asked == "bf16-mixed" and not fast:
        log.warning(
            "precision bf16-mixed: this %s has no bfloat16 arithmetic and emulates it, many times "
            "slower than float32; set precision to auto or 32-true",
            kind,
        )
    return asked


@contextmanager
def full_float32() -> Iterator[None]:
    """Make a GPU compute float32 in float32, matrix products and convolutions alike.

    By default it rounds what a convolution multiplies to TF32, with 10 bits of a number's 23.
    """
    matmul: Any = torch.backends.cuda.matmul
    convolution: Any = torch.backends.cudnn
    changed: list[tuple[Any, str, bool | str]] = []
    for owner, newer in ((matmul, matmul), (convolution, convolution.conv)):
        # torch has two names for this. Where the newer was set, the older may refuse to be read.
        with suppress(RuntimeError):
            if owner.allow_tf32:
                owner.allow_tf32 = False
                changed.append((owner, "allow_tf32", True))
        if newer.fp32_precision == "tf32":
            newer.fp32_precision = "ieee"
            changed.append((newer, "fp32_precision", "tf32"))
    try:
        yield
    finally:
        for switch, name, value in reversed(changed):
            setattr(switch, name, value)


def device_name(device: str | torch.device) -> str:
    """Return what a device is called: the GPU's name, or the processor's model with its threads."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    description = Path("/proc/cpuinfo")
    lines = description.read_text().splitlines() if description.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    model = models[0] if models else platform.processor() or "CPU"
    return f"{model} ({torch.get_num_threads()} threads)"
