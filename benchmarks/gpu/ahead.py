"""The Triton kernels compiled without a card: registers, spills, shared memory, as ptxas says.

    python -m benchmarks.gpu.ahead --widths 49 --json benchmarks/results/triton-ahead.jsonl

Triton brings its own assembler, so that no GPU, no driver and no compiler is needed. What is
compiled is what a training launches (launches.py), for every architecture asked for.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.backends.nvidia import compiler as nvidia
from triton.compiler import ASTSource

from benchmarks.gpu.launches import ALIGNED, Launch, launches_of
from benchmarks.records import append
from neco.sorting import triton_kernel

ARCHITECTURES = {80: "A100", 90: "H100, H200", 100: "B200"}
WIDTHS = (32, 49, 64, 128, 256)
WAYS = ("one", "two")
RELAXATIONS = ("cauchy", "logistic", "logistic_phi")


def compiled(launch: Launch, architecture: int) -> dict[str, Any]:
    """Return what the machine code of a launch needs of each thread and program."""
    kernel = getattr(triton_kernel, launch.kernel)
    names = [name for name, _ in launch.signature]
    source = ASTSource(
        kernel,
        dict(launch.signature),
        constexprs={(names.index(name),): value for name, value in launch.constants},
        attrs={(names.index(name),): [["tt.divisibility", ALIGNED]] for name in launch.aligned},
    )
    began = cpu_seconds()
    made = triton.compile(
        source, target=GPUTarget("cuda", architecture, 32), options={"num_warps": launch.warps}
    )
    seconds = cpu_seconds() - began
    return {
        "kernel": launch.kernel,
        "architecture": f"sm_{architecture}",
        **launch.about(),
        **resources(made.asm["ptx"], architecture),
        "shared_bytes": made.metadata.shared,
        "compile_cpu_seconds": round(seconds, 1),
        "triton": triton.__version__,
    }


def cpu_seconds() -> float:
    """Return the processor time of this process and of those it waited for."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def resources(ptx: str, architecture: int) -> dict[str, int]:
    """Return registers a thread and bytes spilled, which ptxas tells when it assembles `ptx`."""
    target = re.search(r"\.target ([a-z0-9_]+)", ptx)
    assembler = nvidia.get_ptxas(architecture)
    assembler = getattr(assembler, "path", assembler)
    if isinstance(assembler, tuple):
        assembler = assembler[0]
    with tempfile.NamedTemporaryFile("w", suffix=".ptx") as file:
        file.write(ptx)
        file.flush()
        command = [assembler, "-v", f"--gpu-name={target and target[1]}", file.name]
        told = subprocess.run(
            [*command, "-o", "/dev/null"], check=True, capture_output=True, text=True
        ).stderr
    patterns = {
        "registers": r"Used (\d+) registers",
        "spill_store_bytes": r"(\d+) bytes spill stores",
        "spill_load_bytes": r"(\d+) bytes spill loads",
        "stack_bytes": r"(\d+) bytes stack frame",
    }
    return {name: int(re.findall(pattern, told)[-1]) for name, pattern in patterns.items()}


def variants(
    widths: list[int], relaxations: list[str], ways: list[str]
) -> Iterator[tuple[int, Launch]]:
    """Yield every different launch with the first width that makes it."""
    seen = set()
    for width in widths:
        for relaxation in relaxations:
            for way in ways:
                for launch in launches_of(width, relaxation, two_way=way == "two"):
                    if launch not in seen:
                        seen.add(launch)
                        yield width, launch


def main() -> None:
    """Compile, print a line for each variant, and keep it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--architectures", type=int, nargs="+", default=list(ARCHITECTURES), metavar="SM"
    )
    parser.add_argument("--widths", type=int, nargs="+", default=list(WIDTHS))
    parser.add_argument("--relaxations", nargs="+", default=list(RELAXATIONS))
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--json", type=Path, help="file to append JSON lines to")
    chosen = parser.parse_args()
    command = " ".join(["python -m benchmarks.gpu.ahead", *sys.argv[1:]])
    for width, launch in variants(chosen.widths, chosen.relaxations, chosen.ways):
        for architecture in chosen.architectures:
            row = {"width": width, **compiled(launch, architecture), "command": command}
            constants = " ".join(f"{k}={v}" for k, v in launch.about().items())
            print(
                f"{row['kernel']:>12}  width {width:<3}  {row['architecture']:<6}  "
                f"{row['registers']:>3} registers  {row['spill_store_bytes']:>5} bytes spilled  "
                f"{row['shared_bytes']:>6} shared  {row['compile_cpu_seconds']:>6} s  {constants}",
                flush=True,
            )
            if chosen.json:
                append(chosen.json, row)


if __name__ == "__main__":
    main()
