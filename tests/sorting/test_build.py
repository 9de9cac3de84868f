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


@pytest.mark.skipif(shutil.which("c++") is None, reason="no compiler")
@pytest.mark.parametrize(
    "named", ["", "{}", "{} --flag", "ccache c++"], ids=["empty", "a path", "a flag", "ccache"]
)
def test_the_compiler_is_what_a_shell_would_make_of_its_name(
    forgotten, monkeypatch, named, tmp_path
):
    """The first is no name, and the others are a script here, which is no real compiler."""
    (tmp_path / "my tools").mkdir()
    for script in (tmp_path / "my tools" / "c++", tmp_path / "ccache"):
        script.write_text(
            '#!/bin/sh\nprintf "w\\344rnung\\n" >&2\nfor last; do :; done\n: >"$last"\n'
        )
        script.chmod(0o755)
    quoted = "{}" if named == "{}" else "'{}'"
    path = quoted.format(tmp_path / "my tools" / "c++")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("CXX", named.format(path))
    library = build.cached_library(tmp_path / "built")
    assert (library.stat().st_size == 0) == bool(named)


def test_what_hinders_a_build_is_a_reason_and_no_traceback(forgotten, monkeypatch):
    monkeypatch.setenv("CXX", "'c++")
    with pytest.raises(compiled.KernelUnavailableError, match="No closing quotation"):
        compiled.load_kernel()
    build._library_or_reason.cache_clear()
    for name in ("TORCH_EXTENSIONS_DIR", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)

    def no_home(*_):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(build.Path, "home", no_home)
    with pytest.raises(compiled.KernelUnavailableError, match="home directory"):
        compiled.load_kernel()


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
