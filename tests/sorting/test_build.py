import shutil
import subprocess
import sys

import pytest
import torch

from neco.errors import UserError
from neco.sorting import compiled, implementations, sorting_cross_entropy
from neco.sorting.compiled import build

BUILD = """
import sys
from pathlib import Path
from neco.sorting.compiled.build import cached_library
print(cached_library(Path(sys.argv[1])))
"""


@pytest.fixture
def forgotten(monkeypatch, tmp_path):
    """No kernel was looked for yet in this process, and none is cached."""
    caches = (build._library_or_reason, implementations.automatic, implementations._report)
    for cache in caches:
        cache.cache_clear()
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    yield tmp_path
    for cache in caches:
        cache.cache_clear()


@pytest.mark.skipif(shutil.which("c++") is None, reason="no compiler")
def test_two_processes_and_a_killed_build_do_not_disturb_one_another(tmp_path):
    directory = tmp_path / "a kernel ü"
    (directory / "building_killed").mkdir(parents=True)
    (directory / "lock").touch()
    (directory / "building_killed" / "lock").touch()
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", BUILD, directory],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=100)[0].splitlines()[-1] for process in processes]
    library = directory / f"{build.NAME}.so"
    assert outputs == [str(library)] * 2
    assert library.stat().st_size > 10_000
    before = library.stat().st_mtime_ns
    assert build.cached_library(directory) == library
    assert library.stat().st_mtime_ns == before  # no second build


def test_without_a_compiler_pytorch_takes_over(forgotten, monkeypatch, settings, caplog):
    monkeypatch.setenv("CXX", "no-such-compiler")
    student, teacher = torch.rand(3, 5, requires_grad=True), torch.rand(3, 5)
    with caplog.at_level("INFO"):
        for _ in range(2):
            sorting_cross_entropy(student, teacher, settings()).loss.sum().backward()
    assert student.grad.isfinite().all()
    warnings = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "no C++ compiler (no-such-compiler); install g++ or set CXX" in warnings[0]
    assert "sorting loss on cpu: torch" in caplog.text
    with pytest.raises(UserError, match="'compiled' cannot run here: no C\\+\\+ compiler"):
        sorting_cross_entropy(student, teacher, settings(implementation="compiled"))


def test_a_failed_build_is_a_reason_and_no_traceback(forgotten, monkeypatch):
    broken = forgotten / "kernel.cpp"
    broken.write_text("this is no C++")
    monkeypatch.setattr(build, "SOURCE", broken)
    with pytest.raises(
        compiled.KernelUnavailableError, match=r"c\+\+ cannot compile it: .*no C"
    ) as told:
        compiled.load_kernel()
    assert "\n" not in str(told.value)
    assert not list(forgotten.rglob("*.so"))


def test_another_source_or_processor_has_another_place(forgotten, monkeypatch):
    first = build.cache_directory()
    assert first.parent == forgotten
    monkeypatch.setattr(build, "_processor", lambda: b"another")
    second = build.cache_directory()
    monkeypatch.setattr(build, "HEADERS", (build.SOURCE,))
    assert len({first, second, build.cache_directory()}) == 3
