"""Attention by plain matrix products against PyTorch's fused kernel on a CPU, with and without
gradient.

    OMP_NUM_THREADS=1 python -m benchmarks.attention --json benchmarks/results/attention.jsonl

It is why a training attends plainly only in bfloat16 (Backbone.attend_for_training). One block of
timm's attention is timed at the sizes of the demo, of NeCo's crops and of the evaluations. The two
ways take turns; the median of the rounds counts.
"""

import argparse
import os
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from timm.layers import Attention

from benchmarks.records import append
from neco.precision import device_name, fast_half

SIZES = {"crops of 64 pixels, patch 8": (65, 48), "224, patch 14": (257, 16), "518": (1370, 2)}
"""Tokens of an image and images of a batch."""


def seconds(fused: bool, tokens: int, images: int, dtype: torch.dtype, gradient: bool) -> float:
    """Return the time of a pass forward, and with `gradient` backward, of a ViT-S's attention."""
    torch.manual_seed(0)
    attention = Attention(384, num_heads=6, qkv_bias=True)
    attention.fused_attn = fused
    batch = torch.randn(images, tokens, 384, requires_grad=gradient)
    began = time.perf_counter()
    with (
        torch.set_grad_enabled(gradient),
        torch.autocast("cpu", torch.bfloat16, enabled=dtype is torch.bfloat16),
    ):
        out = attention(batch)
    if gradient:
        out.float().sum().backward()
    return time.perf_counter() - began


def main() -> None:
    """Print a line for each case, and keep it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path, help="file to append JSON lines to")
    chosen = parser.parse_args()
    dtypes = [torch.float32] + ([torch.bfloat16] if fast_half("cpu") else [])
    for dtype in dtypes:
        for name, (tokens, images) in SIZES.items():
            for gradient in (False, True):
                taken: dict[bool, list[float]] = {False: [], True: []}
                for number in range(chosen.rounds + 1):
                    for fused in taken:
                        took = seconds(fused, tokens, images, dtype, gradient)
                        if number:  # the first round warms up
                            taken[fused].append(took)
                plain, quick = (1e3 * statistics.median(taken[fused]) for fused in (False, True))
                row: dict[str, Any] = {
                    "size": name, "tokens": tokens, "images": images, "dtype": str(dtype),
                    "gradient": gradient, "plain_ms": round(plain, 2), "fused_ms": round(quick, 2),
                    "plain_over_fused": round(plain / quick, 2), "rounds": chosen.rounds,
                    "threads": torch.get_num_threads(), "torch": torch.__version__,
                    "instructions": torch.backends.cpu.get_cpu_capability(),
                    "device": device_name("cpu"), "load": round(os.getloadavg()[0], 1),
                }  # fmt: skip
                print(
                    f"{name:>28}  {row['dtype']:<14}  {'both' if gradient else 'forward':<7}  "
                    f"plain {plain:7.2f} ms  fused {quick:7.2f} ms  {row['plain_over_fused']:.2f}",
                    flush=True,
                )
                if chosen.json:
                    append(chosen.json, row)


if __name__ == "__main__":
    main()
