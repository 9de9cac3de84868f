"""Every evaluation's CUDA path where there is no card: a wrong device, type or copy shows here."""

import json
import os
import subprocess
import sys

import pytest
import torch

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="a real card is better")
HALF = {"addmm torch.bfloat16", "convolution torch.bfloat16"}


@pytest.fixture(scope="module")
def walked() -> dict[str, dict]:
    pytest.importorskip("mmseg")
    finished = subprocess.run(
        [sys.executable, "-m", "tests.gpu.evaluations"],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    return {record["case"]: record for record in map(json.loads, finished.stdout.splitlines())}


@pytest.mark.parametrize("storage", ["float16", "int8"])
def test_search_multiplies_in_half_and_asks_the_card_only_for_its_answer(walked, storage):
    found = walked[f"search {storage}"]
    assert {"mm torch.float16", "bmm torch.float32"} <= set(found["products"])
    assert found["unproved"] > 0 and found["flat"] > 0  # the second pass and the third ran
    answer = 100 * 7 * (4 + 8)
    if storage == "float16":
        assert found["bytes"] == answer and found["copies"] <= 3
    few = walked["search few"]
    assert few["products"] == ["mm torch.float32"] and few["bytes"] == answer


def test_features_are_half_precision_and_attention_is_not(walked):
    assert set(walked["extract"]["products"]) >= HALF
    assert walked["extract"]["copies"] == 4  # a batch each
    assert walked["extract"]["bytes"] == 2 * walked["extract"]["bytes_stored"]  # as float32
    assert not set(walked["attend"]["products"]) & HALF


def test_images_that_go_through_the_backbone_do_so_as_features_do(walked):
    through = ("in-context, augmented 1", "linear, augmented True")
    for case in (*(f"{case}, bf16-on-gpu" for case in through), "consistency"):
        assert set(walked[case]["products"]) >= HALF, case
    cached = ("in-context, augmented 0, bf16-on-gpu", "linear, augmented False, bf16-on-gpu")
    for case in (*(f"{case}, 32-true" for case in through), *cached):
        assert not set(walked[case]["products"]) & HALF, case


def test_a_linear_head_is_float32_and_asks_the_card_once_an_epoch(walked):
    found = walked["linear, augmented False, bf16-on-gpu"]
    assert found["products"] == ["convolution torch.float32"]
    # Two epochs of two batches: whether the head is finite and the score of each epoch; then the
    # reported epoch at both sizes, and the other epoch. Training waits for nothing.
    assert found["copies"] == 2 + 2 + 1 + 3 + 1


def test_a_fine_tuning_waits_for_nothing_and_counts_on_the_host(walked):
    found = walked["segmenter"]
    assert found["waited"] == 0 and found["counts"] == ["cpu"]
    assert found["half"] and set(found["products"]) >= HALF
    assert found["loss"] == "cuda:0 torch.float32"


def test_the_proofs_that_need_no_training_run_to_their_end(walked):
    assert walked["card"]["measured"] == [
        *("machine", "copy", "matrix product", "matrix product", "matrix product"),
        "host to device",
    ]
    each = ["index", "search", "check"]
    assert walked["search"]["measured"] == ["bank", *each, *each]
    assert {"mm torch.float16", "mm torch.float32"} <= set(walked["search"]["products"])
