"""Without the extra, one line says what to install."""

import importlib.util
import sys
from pathlib import Path

import pytest

import neco.evaluate.segmenter
from neco.cli import main
from neco.errors import UserError


@pytest.mark.parametrize("absent", ["mmcv", "mmengine", "mmseg"])
def test_an_absent_extra_is_named(monkeypatch, absent):
    for name in [name for name in sys.modules if name.partition(".")[0] == absent]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, absent, None)
    path = Path(neco.evaluate.segmenter.__file__).parent / "library.py"
    spec = importlib.util.spec_from_file_location("library_without_the_extra", path)
    with pytest.raises(UserError, match=r"pip install neco-reproduction\[segmenter\]"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


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
