"""Without the extra, one line says what to install."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

import neco.evaluate.segmenter
from neco.cli import main
from neco.errors import UserError


def imported_anew(monkeypatch, package: str, instead: object) -> None:
    """Import the module with something else in the place of a package."""
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, instead)
    path = Path(neco.evaluate.segmenter.__file__).parent / "library.py"
    spec = importlib.util.spec_from_file_location("library_anew", path)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


@pytest.mark.parametrize("absent", ["mmcv", "mmengine", "mmseg"])
def test_an_absent_extra_is_named(monkeypatch, absent):
    if absent != "mmcv":  # which is imported first
        pytest.importorskip("mmcv", exc_type=ImportError)
    with pytest.raises(UserError, match=r"pip install neco-reproduction\[segmenter\]"):
        imported_anew(monkeypatch, absent, None)


def test_an_absent_library_of_the_system_is_named(monkeypatch):
    class Mmcv(ModuleType):
        def __getattr__(self, name):
            raise ImportError("libxcb.so.1: cannot open shared object file")

    with pytest.raises(UserError, match=r"libxcb.so.1.*apt install libgl1 libglib2.0-0"):
        imported_anew(monkeypatch, "mmcv", Mmcv("mmcv"))


def test_the_command_asks_for_what_it_needs(capsys, tmp_path, coloured):
    arguments = ["--data", str(coloured[0].folder), "--into", str(tmp_path / "out.json")]
    with pytest.raises(SystemExit, match="2"):
        main(["evaluate", "segmenter", *arguments])
    assert "required: --learning-rate" in capsys.readouterr().err
    assert main(["evaluate", "segmenter", *arguments, "--learning-rate", "1e-3"]) == 1
    assert "segmenter needs --backbone" in capsys.readouterr().err
    assert main(["evaluate", "overcluster", *arguments]) == 1
    assert "overcluster needs --val-features" in capsys.readouterr().err
    assert main(["evaluate", "linear", *arguments, "--set", "linear.augment=false"]) == 1
    told = (
        "linear needs --train-features, --val-features with these settings; make them with extract"
    )
    assert told in capsys.readouterr().err
