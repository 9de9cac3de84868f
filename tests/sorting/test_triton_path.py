"""The Triton kernels: in Triton's interpreter on the CPU, compiled for a GPU that is not there,
and on a GPU when there is one. The first two run in processes of their own, because triton decides
at its first import whether it interprets."""

import os
import subprocess
import sys

import pytest
import torch

from neco.sorting import chunked, triton_path

INTERPRETED = """
import numpy as np, torch
import triton.language as tl
from triton.runtime import interpreter
from neco.sorting import chunked, triton_path
from neco.sorting.row_loss import Problem

# The interpreter reduces by xor one element at a time; this is the same, faster.
apply = interpreter.ReduceOps.apply_impl
def faster(self, input):
    if self.combine_fn is not tl.standard._xor_combine:
        return apply(self, input)
    bits = np.bitwise_xor.reduce(input[0].handle.data, axis=self.axis, keepdims=self.keep_dims)
    return self.to_tensor(bits, input[0].dtype)
interpreter.ReduceOps.apply_impl = faster

torch.manual_seed(0)
triton_path.ROWS_AT_ONCE = 3
cases = [
    (rows, width, columns, relaxation, steepness, two_way, two_way and width != 3)
    for rows, width, columns in ((4, 2, 2), (2, 3, 2), (1, 8, 8), (1, 13, 5))
    for relaxation, steepness in (("cauchy", 100.0), ("logistic", 10.0), ("logistic_phi", 10.0))
    for two_way in (False, True)
] + [(1, 21, 21, "cauchy", 100.0, False, False)]
for rows, width, columns, relaxation, steepness, two_way, teacher_gradient in cases:
    student, teacher = torch.rand(2, rows, width)
    problem = Problem(
        "bitonic", relaxation, steepness, 0.7 * steepness, 0.25, 1e-30, two_way, columns, True,
        teacher_gradient,
    )
    ours = triton_path.evaluate(student, teacher, problem)
    exact = chunked.evaluate(student.double(), teacher.double(), problem)
    for our, expected in zip(ours, exact):
        assert (our is None) == (expected is None)
        if our is not None:
            error = ((our - expected).abs().max() / expected.abs().max()).item()
            limit = 1e-3 if relaxation == "logistic_phi" else 2e-5
            assert error < limit, (rows, width, columns, relaxation, two_way, error)
no_gradient = Problem("bitonic", "cauchy", 9.0, 9.0, 0.25, 1e-30, False, 8, False, False)
student, teacher = torch.rand(2, 2, 8)
student[1, 2] = float("nan")
loss = triton_path.evaluate(student, teacher, no_gradient).loss
assert loss.isnan().tolist() == [False, True]
torch.testing.assert_close(loss[0], chunked.evaluate(student, teacher, no_gradient).loss[0])
print("cases:", len(cases))
"""

COMPILED = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from neco.sorting import triton_kernel

def compile_for_hopper(kernel, **constants):
    def kind(name):
        if name.isupper():
            return "constexpr"
        if name in ("width", "columns"):
            return "i32"
        return "fp32" if name in ("steepness", "phi_lambda", "scale", "log_floor") else "*fp32"
    names = kernel.arg_names
    source = ASTSource(
        kernel,
        {name: kind(name) for name in names},
        constexprs={(names.index(name),): value for name, value in constants.items()},
    )
    compiled = triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": 1})
    assert kernel.__name__ in compiled.asm["ptx"]

compile_for_hopper(
    triton_kernel.compare_rows, EXPONENT=3, GROUP_BITS=2, TWO_WAY=True, DIFFERENTIATE=True
)
for relaxation in ("cauchy", "logistic_phi"):
    compile_for_hopper(
        triton_kernel.sort_values, EXPONENT=3, RELAXATION=relaxation, DIFFERENTIATE=True
    )
    compile_for_hopper(triton_kernel.pull_values, EXPONENT=3, RELAXATION=relaxation)
print("compiled")
"""


def run(source, **environment):
    return subprocess.run(
        [sys.executable, "-c", source],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_interpreted_values_and_gradients_equal_the_plain_path():
    finished = run(INTERPRETED, TRITON_INTERPRET="1", OMP_NUM_THREADS="1")
    if "only 0-dimensional arrays" in finished.stderr:
        pytest.skip("the interpreter of this Triton does not take NumPy 2.4")
    assert finished.returncode == 0, finished.stderr[-2000:]
    assert "cases: 25" in finished.stdout


def test_the_kernels_compile_for_a_gpu(tmp_path):
    finished = run(COMPILED, TRITON_INTERPRET="0", TRITON_CACHE_DIR=str(tmp_path))
    assert finished.returncode == 0, finished.stderr[-2000:]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("width", [3, 49, 64])
@pytest.mark.parametrize("two_way", [False, True])
def test_a_gpu_agrees_with_float64(problem, width, two_way):
    student, teacher = torch.rand(2, 300, width)
    asked = problem(columns=width, two_way=two_way, teacher_gradient=two_way)
    ours = triton_path.evaluate(student.cuda(), teacher.cuda(), asked)
    exact = chunked.evaluate(student.double(), teacher.double(), asked)
    for our, expected in zip(ours, exact, strict=True):
        if expected is not None:
            error = (our.cpu() - expected).abs().max() / expected.abs().max()
            assert error < 2e-4
