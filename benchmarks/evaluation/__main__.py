"""Time and memory of the evaluations' fast paths beside what a user would write.

    python -m benchmarks.evaluation                          # all parts, a table
    python -m benchmarks.evaluation --json -                 # JSON lines
    python -m benchmarks.evaluation --part search --threads 2
    python -m benchmarks.evaluation --part search --without-half --only 'exact.$|flat' --rounds 3
    python -m benchmarks.evaluation --part full-bank --folder /large/disk   # 10.24 million x 384

Every part runs at three sizes; `slope` is the exponent of time in size between the two larger and
`paper_seconds` what it leads to at the paper's size (`extrapolated` unless that was measured).
ScaNN is timed where the package is installed. `cpu_seconds` is summed over threads, and says more
than `seconds` on a machine that others use too; `peak_mb` is memory above what was held before.
`--rounds` goes through all cases again, so that what is compared is measured in turn.
`--without-half` takes the path of a CPU that does not multiply bfloat16 fast; to hold libraries to
AVX2 as well, set ATEN_CPU_CAPABILITY=avx2 MKL_ENABLE_INSTRUCTIONS=AVX2 ONEDNN_MAX_CPU_ISA=AVX2
OPENBLAS_CORETYPE=Haswell FAISS_OPT_LEVEL=avx2.
"""

import argparse
import json
import math
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import torch
from threadpoolctl import threadpool_limits

from benchmarks.evaluation.cases import PARTS
from benchmarks.evaluation.full_bank import full_bank
from benchmarks.evaluation.measure import Case, measured
from benchmarks.records import append, plain
from neco.errors import UserError
from neco.evaluate.conditions import git_commit, packages
from neco.evaluate.search import exact as exact_search
from neco.evaluate.search.backends import recall
from neco.precision import fast_half


def records(part: str, only: str = "") -> Iterator[dict[str, Any]]:
    """Yield the measurements of one part, then how each implementation grows."""
    times: dict[tuple[str, str], list[tuple[Case, float]]] = {}
    exact: dict[int, np.ndarray] = {}
    for case in PARTS[part]():
        if not re.search(only, case.implementation):
            continue
        try:
            record, answer = measured(case)
        except UserError as error:
            print(f"{case.implementation}: left out ({error})", file=sys.stderr)
            continue
        if case.part == "search":
            neighbours, unproved = answer
            exact.setdefault(case.size, neighbours)
            record["recall"] = round(recall(neighbours, exact[case.size]), 4)
            record["unproved"] = unproved
        times.setdefault((case.part, case.implementation), []).append((case, record["seconds"]))
        yield record
    for (name, implementation), seen in times.items():
        if len(seen) < 2:
            continue
        first, last = seen[-2], seen[-1]
        slope = math.log(last[1] / first[1]) / math.log(last[0].size / first[0].size)
        paper = last[1] * (last[0].paper / last[0].size) ** slope
        yield {
            "part": name,
            "implementation": implementation,
            "slope": round(slope, 2),
            "paper_size": last[0].paper,
            "unit": last[0].unit,
            "paper_seconds": round(paper, 3),
            "extrapolated": last[0].paper != last[0].size,
        }


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.evaluation", description="Time the evaluations' fast paths."
    )
    parser.add_argument("--part", action="append", choices=[*PARTS, "full-bank"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", default="", metavar="PATTERN", help="implementations to time")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--without-half", action="store_true", help="as without fast bfloat16")
    parser.add_argument("--json", metavar="FILE", help="JSON lines to FILE, - for the screen")
    parser.add_argument("--folder", type=Path, default=Path(), help="full-bank: where it goes")
    parser.add_argument("--keys", type=int, default=10_240_000, help="full-bank: its size")
    parser.add_argument("--queries", type=int, default=256, help="full-bank: how many")
    parser.add_argument("--storage", default="float16,int8", help="full-bank: which, in turn")
    parser.add_argument("--device", default="cpu", help="full-bank: cpu or cuda")
    chosen = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):  # holds for thread pools that start later
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: chosen.threads])
    threadpool_limits(chosen.threads)  # and this for numpy's, which starts at import
    torch.set_num_threads(chosen.threads)
    faiss.omp_set_num_threads(chosen.threads)
    if chosen.without_half:
        exact_search.fast_half = lambda kind: None
    conditions = {
        "threads": chosen.threads,
        "load_average": [round(load, 1) for load in os.getloadavg()],
        "instructions": {
            "torch": torch.backends.cpu.get_cpu_capability(),
            "faiss": os.environ.get("FAISS_OPT_LEVEL", "best"),
            "half": not chosen.without_half and str(fast_half("cpu")),
        },
        "git_commit": git_commit(),
        "packages": packages(),
    }
    parts = chosen.part or list(PARTS)
    for number, part in enumerate(chosen.rounds * parts):
        conditions["round"] = number // len(parts)
        rows = (
            full_bank(
                chosen.folder, chosen.keys, chosen.queries, chosen.device, chosen.storage.split(",")
            )
            if part == "full-bank"
            else records(part, chosen.only)
        )
        for record in rows:
            row = {**record, **conditions}
            if chosen.json == "-":
                print(json.dumps(plain(row)), flush=True)
            else:
                if chosen.json:
                    append(Path(chosen.json), row)
                told = "  ".join(f"{key}={value}" for key, value in list(record.items())[2:])
                print(f"{record['part']:<11} {record['implementation']:<30} {told}", flush=True)


if __name__ == "__main__":
    main()
