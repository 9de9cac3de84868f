"""`auto` follows the hardware; a slow choice is carried out, with a warning."""

import logging
import subprocess
import sys

import pytest
import torch

from neco import precision
from neco.precision import training_precision


@pytest.mark.parametrize(
    ("half", "expected"), [(torch.bfloat16, "bf16-mixed"), (None, "32-true")], ids=str
)
def test_auto_is_bfloat16_where_a_cpu_has_it(monkeypatch, half, expected):
    monkeypatch.setattr(precision, "fast_half", lambda kind: half)
    assert training_precision("auto", "cpu") == expected


def test_what_is_asked_for_by_name_is_kept_and_a_slow_choice_is_told(monkeypatch, caplog):
    monkeypatch.setattr(precision, "fast_half", lambda kind: None)
    with caplog.at_level(logging.WARNING):
        assert training_precision("32-true", "cpu") == "32-true"
        assert not caplog.records
        assert training_precision("bf16-mixed", "cpu") == "bf16-mixed"
    assert "auto or 32-true" in caplog.text


def test_a_cpu_held_to_older_instructions_counts_as_one_without_bfloat16(monkeypatch):
    monkeypatch.setattr(precision.Path, "read_text", lambda self: "flags : avx2 amx_bf16")
    monkeypatch.setattr(precision.Path, "exists", lambda self: True)
    for capability, expected in [("AVX512", torch.bfloat16), ("AVX2", None), ("DEFAULT", None)]:
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda c=capability: c)
        precision.fast_half.cache_clear()
        assert precision.fast_half("cpu") == expected
    precision.fast_half.cache_clear()


SWITCHES = """
import torch
from neco.evaluate.search.exact import full_accumulation
from neco.precision import full_float32

matmul, convolution = torch.backends.cuda.matmul, torch.backends.cudnn
{set}
def state():
    tf32 = matmul.fp32_precision, convolution.conv.fp32_precision
    return tf32, matmul.allow_fp16_accumulation, matmul.allow_fp16_reduced_precision_reduction
before = state()
for within in (full_float32, full_accumulation):
    with within():
        tf32, *halves = state()
        assert "tf32" not in tf32, state()
        assert within is full_float32 or halves == [False, False], state()
    assert state() == before, (before, state())
"""


@pytest.mark.parametrize(
    "chosen",
    [
        "pass",
        "torch.set_float32_matmul_precision('high')",
        "matmul.allow_tf32 = convolution.allow_tf32 = True",
        "matmul.fp32_precision = 'tf32'",
        "torch.backends.fp32_precision = 'tf32'",
        "convolution.conv.fp32_precision = 'ieee'",
        "matmul.allow_fp16_accumulation = True",
    ],
)
def test_float32_is_float32_whichever_switch_of_torch_was_set(chosen):
    """In a process of its own, since torch refuses a mixture of its switches' two names."""
    finished = subprocess.run(
        [sys.executable, "-c", SWITCHES.format(set=chosen)], capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stderr[-800:]
