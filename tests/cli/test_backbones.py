"""--backbone, --weights and --block as people give them to commands."""

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from neco.backbones.load import shipped_file
from neco.backbones.registry import BACKBONES
from neco.cli import main
from neco.features import read_features


@pytest.fixture
def prepared(tmp_path):
    folder = tmp_path / "archives" / "mine"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(2):
        Image.fromarray(rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(
            folder / f"{number}.jpg"
        )
    into = tmp_path / "prepared"
    assert main(["prepare", "mine", "--archives", str(folder.parent), "--into", str(into)]) == 0
    return into


def extract(prepared, into, *arguments):
    return main([
        "extract", "--model", "m", "--data", str(prepared), "--split", "train",
        "--image-size", "32", "--set", "extraction.workers=0",
        "--set", "extraction.dtype=float32", "--into", str(into), *map(str, arguments),
    ])  # fmt: skip


def test_a_checkpoint_of_ones_own_and_a_block(prepared, tmp_path):
    state = load_file(shipped_file(BACKBONES["demo-vit"].source))
    own = {"student": {f"module.backbone.{name}": tensor for name, tensor in state.items()}}
    torch.save({**own, "epoch": 3}, tmp_path / "own.pth")
    demo = ("--backbone", "demo-vit")
    assert extract(prepared, tmp_path / "shipped", *demo) == 0
    assert extract(prepared, tmp_path / "own", *demo, "--weights", tmp_path / "own.pth") == 0
    assert extract(prepared, tmp_path / "third", *demo, "--block", "-3") == 0
    assert extract(prepared, tmp_path / "set", *demo, "--set", "extraction.block=-3") == 0
    shipped, own, third, by_setting = (
        read_features(tmp_path / name) for name in ("shipped", "own", "third", "set")
    )
    assert np.array_equal(shipped.tokens, own.tokens)
    assert np.array_equal(third.tokens, by_setting.tokens)
    assert not np.array_equal(shipped.tokens, third.tokens)
    assert "block" not in shipped.about and third.about["block"] == -3


def test_a_pyramid_is_not_trained_and_says_so(prepared, tmp_path, capsys):
    torch.manual_seed(0)
    import timm

    network = timm.create_model("test_resnet", num_classes=0)
    torch.save(network.state_dict(), tmp_path / "r.pth")
    code = main(["train", "--backbone", "test_resnet", "--weights", str(tmp_path / "r.pth"),
                 "--data", str(prepared), "--into", str(tmp_path / "run")])  # fmt: skip
    told = capsys.readouterr().err.strip().splitlines()
    assert code == 1
    assert told[-1].startswith("neco train: test_resnet has no sequence of blocks")
    assert not (tmp_path / "run").exists()


def test_what_cannot_be_trained_is_called_as_it_was_asked_for(prepared, tmp_path, capsys):
    """Patch colours are no network, so their type would say nothing."""
    for command, folder, into in (("train", "--data", "--into"), ("fit", "--images", "--out")):
        words = [command, "--backbone", "patch-colours-p14", folder, str(prepared), into,
                 str(tmp_path / "run")]  # fmt: skip
        assert main(words) == 1
        told = capsys.readouterr().err.strip().splitlines()
        assert told[-1].startswith(f"neco {command}: patch-colours-p14 has no sequence of blocks")
        assert "such as dinov2-vits14 or demo-vit" in told[-1]
        assert not (tmp_path / "run").exists()
