import shutil

import pytest
import torch

from neco.errors import UserError
from neco.sorting import chunked, compiled, triton_path
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
