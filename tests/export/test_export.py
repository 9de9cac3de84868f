"""An exported folder: what plain timm and a graph of ONNX give is what the run gives."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import timm
import torch
from onnx.reference import ReferenceEvaluator
from safetensors.torch import load_file, save_file

from neco.backbones.load import load_backbone
from neco.errors import UserError
from neco.export.export import export
from neco.export.folder import check_folder
from neco.export.source import Source


def weights_of(name: str) -> Path:
    return Path(name.removeprefix("local-dir:")) / "model.safetensors"


@pytest.mark.parametrize(
    ("family", "sizes"),
    [
        ("registers", [(70, 70), (42, 84)]),
        ("rotary", [(64, 64), (48, 80)]),
        ("pooled by attention", [(64, 64), (48, 80)]),
        ("one size", [(64, 64)]),
        ("pyramid", [(160, 160), (96, 64)]),
    ],
)
@torch.no_grad()
def test_plain_timm_gives_the_tokens_of_the_run(tmp_path, families, family, sizes):
    name = families[family]
    folder = export(Source(name, weights_of(name)), tmp_path / "a folder ü")
    network = timm.create_model(f"local-dir:{folder}", pretrained=True, num_classes=0).eval()
    wanted = load_backbone(name, weights_of(name))
    for height, width in sizes:
        images = torch.randn(2, 3, height, width)
        tokens = wanted(images)
        found = network.forward_intermediates(
            images, indices=1, norm=family != "pyramid", intermediates_only=True
        )[-1]
        torch.testing.assert_close(found.permute(0, 2, 3, 1), tokens, rtol=1e-5, atol=1e-5)
        if family != "pyramid":
            rows = network.forward_features(images)[:, network.num_prefix_tokens :]
            torch.testing.assert_close(rows, tokens.flatten(1, 2), rtol=1e-5, atol=1e-5)
    config = json.loads((folder / "config.json").read_text())
    assert config["num_classes"] == 0 and "num_classes" not in config["model_args"]
    assert len({path.stat().st_mode for path in folder.iterdir()}) == 1
    assert config["pretrained_cfg"]["mean"] and config["pretrained_cfg"]["std"]


@pytest.mark.parametrize("family", ["registers", "rotary", "pyramid"])
def test_a_graph_of_any_size(tmp_path, families, family):
    name = families[family]
    folder = export(Source(name, weights_of(name)), tmp_path / "model", onnx=True)
    graph = ReferenceEvaluator(onnx.load(folder / "model.onnx"))
    backbone = load_backbone(name, weights_of(name))
    for count, rows, columns in ((1, 3, 4), (2, 5, 2)):
        size = (rows * backbone.patch_size, columns * backbone.patch_size)
        images = torch.randn(count, 3, *size)
        (found,) = graph.run(None, {"images": images.numpy()})
        with torch.no_grad():
            np.testing.assert_allclose(found, backbone(images).numpy(), rtol=1e-3, atol=1e-4)
    assert "model.onnx" in (folder / "README.md").read_text()


def test_a_network_of_one_size_has_no_graph(tmp_path, families):
    name = families["one size"]
    with pytest.raises(UserError, match="positions for one size"):
        export(Source(name, weights_of(name)), tmp_path / "model", onnx=True)
    assert not (tmp_path / "model").exists()


def test_other_weights_in_the_folder_are_noticed(tmp_path, families):
    name = families["rotary"]
    folder = export(Source(name, weights_of(name)), tmp_path / "model")
    state = load_file(folder / "model.safetensors")
    state["norm.bias"] += 0.01
    save_file(state, folder / "model.safetensors")
    with pytest.raises(UserError, match="does not give the same tokens"):
        check_folder(load_backbone(name, weights_of(name)), folder)


def test_what_is_not_ours_is_not_replaced(tmp_path, families):
    name = families["rotary"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("work")
    with pytest.raises(UserError, match="no exported model"):
        export(Source(name, weights_of(name)), tmp_path / "mine")
    with pytest.raises(UserError, match="has no network"):
        export(Source("patch-colours", weights_of(name)), tmp_path / "model")
