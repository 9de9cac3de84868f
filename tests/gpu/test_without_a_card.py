"""A step's whole CUDA path where there is no card: a wrong device, type or wait shows here."""

import json
import os
import subprocess
import sys

import pytest
import torch

from neco.config.training import PRESETS

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="a real card is better")

MISTAKES = """
import torch
from neco.training.checkpoint import finite
from tests.gpu.pretended import CARD, Card, pretended_card

def raised(call):
    try:
        call()
    except Exception as error:
        return type(error).__name__
    return "nothing"

with pretended_card():
    there, here = torch.zeros(3, device=CARD), torch.zeros(3)
    assert (here + here).tolist() == [0, 0, 0]
    half = torch.zeros(3, 3, device=CARD, dtype=torch.float16)
    for mistake in (
        lambda: there + here,
        lambda: half @ there,
        lambda: there.sum().item(),
        lambda: there.nonzero(),
        lambda: there[:, None] @ there,
        lambda: there.to("cpu", non_blocking=True),
    ):
        print(raised(mistake))
    torch.tensor([1, 2], device=CARD)  # a constant, made once
    Card.strict = True
    for mistake in (
        lambda: torch.tensor([1, 2], device=CARD),
        lambda: there.copy_(here),
        lambda: there[torch.tensor([1, 2])],
        lambda: there.cpu(),
    ):
        print(raised(mistake))
    here.to(CARD, non_blocking=True)
    Card.strict = False
    # Its copies to the host would not have arrived: it has to ask the card.
    assert raised(lambda: finite({"a": there, "b": here})).startswith("DataDependent")
"""


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.fixture(scope="module")
def walked() -> dict[str, dict]:
    finished = run("-m", "tests.gpu.walk")
    assert finished.returncode == 0, finished.stderr[-3000:]
    return {record["case"]: record for record in map(json.loads, finished.stdout.splitlines())}


def test_every_preset_takes_steps_on_a_card(walked):
    assert set(PRESETS) <= set(walked)
    for record in walked.values():
        assert record["losses"] == ["cuda:0 torch.float32"]  # beside networks in half precision
        assert record["floor"] == "cuda:0" and record["aligned"] == "torch.float32"
        assert record["parameters"] == ["cuda:0 torch.float32"]
        assert set(record["buffers"]) <= {"cuda:0"}
        assert record["untrained"] == 0


def test_the_sort_is_tritons_forward_and_back(walked):
    for record in walked.values():
        assert record["kernels"] == ["compare_rows", "pull_values", "sort_values"]
        assert record["sorts"] == (4 if record["case"] == "parts" else 2)


def test_precision_and_optimiser_are_those_of_a_card(walked):
    for record in walked.values():
        half = record["case"] == "float16"
        assert record["precision"] == ("16-mixed" if half else "bf16-mixed")
        assert set(record["fused"]) == ({None} if half else {True})


def test_mistakes_show():
    """Another device, type or shape, ways of waiting, a copy that is read before it is there."""
    finished = run("-c", MISTAKES)
    assert finished.returncode == 0, finished.stderr[-3000:]
    assert len(finished.stdout.split()) == 10 and "nothing" not in finished.stdout, finished.stdout


@pytest.mark.slow
def test_compiled_blocks_become_kernels_of_a_card():
    """All but matrix products is generated, for the student's two sizes, the teacher, and back."""
    finished = run("-m", "tests.gpu.generated")
    assert finished.returncode == 0, finished.stderr[-3000:]
    records = [json.loads(line) for line in finished.stdout.splitlines()]
    assert [record["is_backward"] for record in records] == [False] * 3 + [True] * 2
    assert [record["is_inference"] for record in records] == [False, False, True, False, False]
    products = {f"extern_kernels.{name}" for name in ("mm", "bmm", "addmm")}
    assert all(record["kernels"] > 0 and set(record["calls"]) <= products for record in records)
