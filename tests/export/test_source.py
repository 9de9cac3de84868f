"""What is exported, and one line where there is nothing to export."""

import json

import pytest
import torch

from neco.backbones.fetch import fetch_and_convert
from neco.errors import UserError
from neco.export.source import source_of


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "backbone.safetensors").write_bytes(b"weights")
    (folder / "training.json").write_text(json.dumps({"backbone": "demo-vit", "steps": 3}))
    return folder


def test_a_run_names_its_backbone_and_a_fit_holds_a_run(run):
    for place in (run, run.parent):
        source = source_of(place)
        assert (source.backbone, source.record["steps"]) == ("demo-vit", 3)
        assert source.weights == run / "backbone.safetensors"
    assert source_of(run, "demo-vit-random").backbone == "demo-vit-random"


def test_a_file_that_says_whose_weights_it_holds(tmp_path):
    file = fetch_and_convert("demo-vit-random", tmp_path / "w.safetensors", [], tmp_path)
    assert source_of(file).backbone == "demo-vit-random"
    torch.save({}, tmp_path / "w.pth")
    assert source_of(tmp_path / "w.pth", "demo-vit").backbone == "demo-vit"
    with pytest.raises(UserError, match="--backbone NAME"):
        source_of(tmp_path / "w.pth")
    (tmp_path / "w.pth").write_text("<html><title>Log in</title>")
    with pytest.raises(UserError, match="a web page"):
        source_of(tmp_path / "w.pth")


def test_what_is_no_run(tmp_path, run):
    with pytest.raises(UserError, match="no such run"):
        source_of(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no run"):
        source_of(tmp_path / "empty")
    (tmp_path / "empty" / "checkpoint.ckpt").touch()
    with pytest.raises(UserError, match="not finished"):
        source_of(tmp_path / "empty")
    (run / "training.json").write_text("{}")
    with pytest.raises(UserError, match="does not name the backbone"):
        source_of(run)
    (run / "training.json").unlink()
    (run / "config.json").write_text("{}")
    with pytest.raises(UserError, match="a model folder already"):
        source_of(run)
