"""Float32 on a GPU is float32, whichever of torch's switches was set."""

import subprocess
import sys

import pytest

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
