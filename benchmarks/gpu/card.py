"""Facts of the card, against which everything else is held."""

import os
import platform
import shutil
from collections.abc import Iterator
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from benchmarks.gpu.bench import Bench, digits

PACKAGES = ("torch", "triton", "torchvision", "timm", "lightning-fabric", "numpy", "pydantic")


def measure(bench: Bench) -> Iterator[dict[str, Any]]:
    """Yield what the machine is, copy bandwidth, and the rates of matrix products."""
    yield {"measured": "machine"} | machine(bench)
    count = bench.size(2**31, 2**20)
    source = torch.ones(count, dtype=torch.uint8, device=bench.device)
    target = torch.empty_like(source)
    seconds = bench.time(partial(target.copy_, source), 20)
    yield {
        "measured": "copy",
        "gb_per_second": digits(2 * count / seconds / 1e9),
        "counted": "bytes read and written",
    }
    side = bench.size(8192, 128)
    for name, dtype in (
        ("bfloat16", torch.bfloat16),
        ("float16", torch.float16),
        ("float32", torch.float32),
    ):
        left, right = (torch.randn(2, side, side, device=bench.device).to(dtype)).unbind()
        seconds = bench.time(lambda a=left, b=right: a @ b, 10)  # type: ignore[misc]
        yield {
            "measured": "matrix product",
            "dtype": name,
            "side": side,
            "tflops": digits(2 * side**3 / seconds / 1e12),
        }
    held = torch.ones(bench.size(2**28, 2**20), dtype=torch.uint8)
    if bench.device.type == "cuda":
        held = held.pin_memory()
    seconds = bench.time(lambda: held.to(bench.device, non_blocking=True))
    yield {"measured": "host to device", "gb_per_second": digits(len(held) / seconds / 1e9)}


def machine(bench: Bench) -> dict[str, Any]:
    """Return name, memory and software."""
    about: dict[str, Any] = {
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "cuda": torch.version.cuda,
        "c_compiler": os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang"),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
    }
    if bench.device.type == "cuda":
        properties = torch.cuda.get_device_properties(bench.device)
        about |= {
            "capability": f"{properties.major}.{properties.minor}",
            "multiprocessors": properties.multi_processor_count,
            "memory_gb": round(properties.total_memory / 1e9, 1),
        }
    return about


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
