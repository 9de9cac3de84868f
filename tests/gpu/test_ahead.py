"""The Triton kernels compiled for cards that are not there, from the launches of a training."""

import json
import os
import subprocess
import sys

import pytest

from benchmarks.gpu.launches import launches_of, recorded
from neco.sorting import triton_kernel


def ahead(tmp_path, *arguments: str) -> list[dict]:
    """Return the records of benchmarks.gpu.ahead, which needs a process without an interpreter."""
    into = tmp_path / "ahead.jsonl"
    finished = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu.ahead", *arguments, "--json", str(into)],
        env=os.environ | {"TRITON_INTERPRET": "0"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert finished.returncode == 0, finished.stderr[-2000:]
    return [json.loads(line) for line in into.read_text().splitlines()]


@pytest.mark.parametrize("architecture", [80, 90, 100])
def test_nothing_spills_at_49_references(tmp_path, architecture):
    rows = ahead(
        tmp_path,
        *("--architectures", str(architecture), "--widths", "49"),
        *("--relaxations", "cauchy", "--ways", "one"),
    )
    kernels = [row["kernel"] for row in rows]
    assert sorted(kernels) == ["compare_rows", "pull_values", "sort_values", "sort_values"]
    for row in rows:
        assert row["architecture"] == f"sm_{architecture}"
        assert row["spill_store_bytes"] == row["spill_load_bytes"] == row["stack_bytes"] == 0
        assert 16 <= row["registers"] <= 255 and row["shared_bytes"] <= 48 * 1024


def test_every_relaxation_compiles(tmp_path):
    rows = ahead(tmp_path, "--architectures", "90", "--widths", "8")
    assert {row.get("relaxation") for row in rows} == {
        *("cauchy", "logistic", "logistic_phi"),
        None,  # the comparison of both sides knows no relaxation
    }
    assert {row["two_way"] for row in rows if row["kernel"] == "compare_rows"} == {False, True}


def test_launches_are_those_of_a_training():
    one, two = (launches_of(49, "cauchy", two_way=way) for way in (False, True))
    assert [launch.kernel for launch in one] == [
        *("sort_values", "sort_values", "compare_rows", "pull_values")
    ]
    assert set(one) - set(two) == {launch for launch in one if launch.kernel == "compare_rows"}
    compare = next(launch for launch in one if launch.kernel == "compare_rows")
    assert dict(compare.signature)["width"] == "i32" and "width" not in compare.aligned
    assert "width" in launches_of(64, "cauchy", two_way=False)[0].aligned


def test_a_wrong_call_of_a_kernel_shows():
    with recorded(), pytest.raises(TypeError, match="takes"):
        triton_kernel.pull_values[(1,)](None, EXPONENT=3)
