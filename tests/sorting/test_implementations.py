import logging
import shutil
import weakref
from contextlib import nullcontext

import pytest
import torch

from neco.errors import UserError
from neco.sorting import (
    SortSettings,
    chunked,
    compiled,
    implementations,
    sorting_cross_entropy,
    triton_path,
)
from neco.sorting.implementations import _hindrance, choose


@pytest.mark.skipif(shutil.which("c++") is None, reason="no compiler")
def test_the_cpu_gets_the_kernel_and_float64_gets_pytorch():
    assert choose("auto", "bitonic", torch.rand(2, 3)) is compiled.evaluate
    assert choose("auto", "odd_even", torch.rand(2, 3).half()) is compiled.evaluate
    assert choose("auto", "bitonic", torch.rand(2, 3).double()) is chunked.evaluate


def test_a_named_implementation_is_taken_or_refused(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    values = torch.rand(2, 3)
    assert choose("torch", "bitonic", values) is chunked.evaluate
    with pytest.raises(UserError, match="'triton' cannot run here"):
        choose("triton", "bitonic", values)
    with pytest.raises(UserError, match="unknown implementation 'numba'"):
        choose("numba", "bitonic", values)
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    assert choose("triton", "bitonic", values) is triton_path.evaluate


def test_what_each_path_covers():
    assert _hindrance("triton", "cuda", "bitonic", 256) is None
    assert "2..256" in _hindrance("triton", "cuda", "bitonic", 257)
    assert "bitonic" in _hindrance("triton", "cuda", "odd_even", 49)
    assert "cuda" in _hindrance("compiled", "cuda", "bitonic", 49)


def test_triton_needs_a_compiler_of_its_own(monkeypatch):
    """It builds a launcher at the first launch: without one the plain path has to be taken."""
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(triton_path, "which", lambda name: None)
    triton_path.missing.cache_clear()
    try:
        assert "C compiler" in _hindrance("triton", "cuda", "bitonic", 49)
        monkeypatch.setenv("CC", "my-compiler")
        triton_path.missing.cache_clear()
        if not torch.cuda.is_available():
            assert _hindrance("triton", "cuda", "bitonic", 49) is None
    finally:
        triton_path.missing.cache_clear()


@pytest.fixture
def failing_triton(monkeypatch):
    """Let `auto` take Triton, which fails to compile. Returns how often it was asked."""
    asked = []

    def evaluate(*_):
        asked.append(1)
        raise ValueError("ptxas: unsupported architecture\nand more")

    monkeypatch.setattr(implementations, "_failed", [])
    monkeypatch.setattr(implementations, "automatic", lambda *_: "triton")
    monkeypatch.setattr(triton_path, "evaluate", evaluate)
    return asked


def test_where_triton_cannot_compile_plain_pytorch_goes_on(failing_triton, caplog):
    student, teacher = torch.rand(2, 5, 9)
    expected = sorting_cross_entropy(student, teacher, SortSettings(implementation="torch"))
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            found = sorting_cross_entropy(student, teacher, SortSettings())
            torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert len(failing_triton) == 1
    rows = weakref.ref(student)
    del student
    assert rows() is None  # the error, whose frames hold them, is not kept
    assert "(ValueError: ptxas: unsupported architecture); plain PyTorch" in caplog.text


def test_a_full_gpu_is_no_reason_to_take_what_needs_more(failing_triton, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(triton_path, "evaluate", full)
    with pytest.raises(torch.OutOfMemoryError):
        sorting_cross_entropy(*torch.rand(2, 5, 9), SortSettings())


def test_kernels_start_on_the_device_of_the_rows(monkeypatch):
    """Triton takes the current device, which may be another one, with other memory."""
    current = []
    monkeypatch.setattr(
        torch.cuda, "device_of", lambda rows: current.append(rows.device) or nullcontext()
    )
    monkeypatch.setattr(triton_path, "_evaluate", lambda *_: current.append("evaluated"))
    rows = torch.empty(3, 8, device="meta")
    triton_path.evaluate(rows, rows, None)
    assert current == [rows.device, "evaluated"]
