"""One part in this process: its records go to the file as they come.

python -m benchmarks.gpu.part card --json results.jsonl [--rehearse]
"""

import argparse
import contextlib
import ctypes
import faulthandler
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from benchmarks import records
from benchmarks.gpu.bench import Bench
from benchmarks.gpu.parts import WHERE, MissingError, Part, part_named

PR_SET_PDEATHSIG = 1
"""Linux's name for: send me a signal when the process that started me is gone"""


def run_part(part: Part, bench: Bench) -> Iterator[dict[str, Any]]:
    """Yield the part's records and last how it ended: done, missing or failed, and why."""
    common = {"part": part.name, "device": device_name(bench.device), "rehearsed": bench.rehearse}
    began = time.monotonic()
    ended: dict[str, Any] = {"status": "done"}
    missing = part.missing()
    try:
        if missing:
            ended = {"status": "missing", "reason": what_is_missing(missing)}
        else:
            for record in import_module(part.module).measure(bench):
                yield common | record
            if bench.failures:
                ended = {"status": "failed", "reason": "; ".join(bench.failures)}
    except ImportError as error:
        ended = {"status": "missing", "reason": what_is_missing([error.name or str(error)])}
    except MissingError as error:
        ended = {"status": "missing", "reason": str(error)}
    except Exception as error:
        traceback.print_exc()
        told = str(error).strip().splitlines() or [""]
        ended = {"status": "failed", "reason": f"{type(error).__name__}: {told[0]}"[:300]}
    yield common | ended | {"seconds": round(time.monotonic() - began, 1)}


def what_is_missing(modules: list[str]) -> str:
    """Return in one line what is not installed and what to do about it."""
    return (
        f"not installed: {', '.join(modules)}; install it, or pass --bundle FOLDER of "
        "`make gpu-bundle`"
    )


def device_name(device: torch.device) -> str:
    """Return the card's name, or how many threads the CPU works with."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu ({torch.get_num_threads()} threads)"


def die_with_parent() -> None:
    """Have Linux kill this process with the one that started it, which may itself be killed.

    A part that went on by itself would share the card with whatever is measured next.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    """Run the part; the exit code is 0 whatever came of it, since the file tells."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part")
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--rehearse", action="store_true")
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--bundle", type=Path)
    chosen = parser.parse_args()
    die_with_parent()
    faulthandler.register(WHERE)
    print(f"== {chosen.part}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="neco-gpu-") as scratch:
        bench = Bench(
            torch.device("cpu" if chosen.rehearse else "cuda"),
            chosen.rehearse,
            Path(scratch),
            chosen.bundle,
            chosen.json,
            chosen.seconds,
        )
        for record in run_part(part_named(chosen.part), bench):
            records.append(chosen.json, record)
            print(record, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
