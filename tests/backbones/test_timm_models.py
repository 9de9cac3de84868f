"""Names that lead to timm's registry, its hub and its folders, and what goes wrong there."""

import json
from pathlib import Path
from typing import Any

import pytest
import requests
import timm
import torch
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)
from safetensors.torch import load_file, save_file
from timm.models import save_for_hf

from neco.backbones import load, timm_models
from neco.backbones.convert import convert
from neco.backbones.fetch import fetch_and_convert
from neco.backbones.load import image_normalisation, load_backbone
from neco.backbones.registry import backbone_spec
from neco.errors import UserError

SMALL = {"embed_dim": 16, "depth": 2, "num_heads": 2, "img_size": 48}


@pytest.fixture(autouse=True)
def no_memory_of_names() -> None:
    timm_models.timm_spec.cache_clear()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a timm folder of a small network with a classifier."""
    torch.manual_seed(0)
    network = timm.create_model("vit_tiny_patch16_224", num_classes=3, **SMALL)
    path = tmp_path / "folder"
    save_for_hf(network, path, model_args=SMALL, safe_serialization=True)
    return path


def test_a_folder_of_timm_is_a_backbone(folder: Path, tmp_path: Path) -> None:
    name = f"local-dir:{folder}"
    backbone = load_backbone(name, None)
    network = timm.create_model(name, pretrained=True, dynamic_img_size=True).eval()
    images = torch.randn(1, 3, 48, 64)
    with torch.no_grad():
        expected = network.forward_features(images)[:, 1:].reshape(1, 3, 4, 16)
        torch.testing.assert_close(backbone(images), expected)
    written = fetch_and_convert(name, tmp_path / "x.safetensors", [], tmp_path)
    with torch.no_grad():
        assert torch.equal(load_backbone(name, written)(images), backbone(images))
    assert "head.weight" not in load_file(written)


def test_a_file_may_have_the_shape_of_a_folder_or_of_timms_name(folder: Path) -> None:
    own = f"file:{folder / 'model.safetensors'}@local-dir:{folder}"
    assert load_backbone(own, None).dim == 16
    other = f"file:{folder / 'model.safetensors'}@vit_tiny_patch16_224"
    assert image_normalisation(other) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    with pytest.raises(UserError, match="does not fit the backbone: missing blocks"):
        load_backbone(other, None)


def test_a_folder_that_is_not_timms_is_one_line(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    for left in folder.glob("*.bin"):
        left.unlink()
    with pytest.raises(UserError, match="no weights"):
        backbone_spec(f"local-dir:{folder}")
    (folder / "config.json").write_text(json.dumps({"model_type": "dinov2"}))
    with pytest.raises(UserError, match=r"names no timm architecture.*hf-hub:timm/"):
        backbone_spec(f"local-dir:{folder}")
    (folder / "config.json").write_text("{")
    with pytest.raises(UserError, match="cannot be read"):
        backbone_spec(f"local-dir:{folder}")


def answer(kind: type[HfHubHTTPError], status: int) -> HfHubHTTPError:
    response = requests.Response()
    response.status_code = status
    return kind("no\nnot at all", response=response)


FAILURES = [
    (answer(GatedRepoError, 403), "accept the licence on https://huggingface.co/owner/name, then"),
    (answer(RepositoryNotFoundError, 401), "no such model, or shows it to its members alone"),
    (LocalEntryNotFoundError("offline\nand no file"), r"cannot be reached \(offline\); check the"),
    (ConnectionError("refused"), r"the hub cannot be reached \(refused\)"),
    (requests.ConnectTimeout("no route"), r"the hub cannot be reached \(no route\)"),
    (RuntimeError("odd"), r"timm could not make it \(odd\)"),
]


@pytest.mark.parametrize(("failure", "message"), FAILURES)
def test_what_the_hub_refuses_is_one_line(
    failure: Exception, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise failure

    monkeypatch.setattr(timm.models._factory, "load_model_config_from_hf", fail)
    with pytest.raises(UserError, match=message) as error:
        backbone_spec("hf-hub:owner/name")
    assert "\n" not in str(error.value)


def test_weights_that_cannot_be_fetched_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = backbone_spec("vit_tiny_patch16_224")

    def fail(*_: Any, **__: Any) -> None:
        raise LocalEntryNotFoundError("offline")

    monkeypatch.setattr(load, "create", fail)
    with pytest.raises(UserError, match=r"hub cannot be reached.*file:/folder/weights") as error:
        load._from_hub(spec, spec.source)  # type: ignore[arg-type]
    assert "\n" not in str(error.value)


def test_nan_of_the_hub_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = backbone_spec("vit_tiny_patch16_224")
    network = timm.create_model("vit_tiny_patch16_224", num_classes=0, **SMALL)
    network.norm.bias.data[0] = float("nan")
    monkeypatch.setattr(load, "create", lambda *_, **__: network)
    with pytest.raises(UserError, match=r"tensor norm\.bias holds 1 NaN"):
        load._from_hub(spec, spec.source)  # type: ignore[arg-type]


def test_meta_s_own_names_of_dinov3_become_timms(tmp_path: Path) -> None:
    """timm's own filter turns them; what is no part of features (masks, periods) is left out."""
    small = {"embed_dim": 32, "depth": 2, "num_heads": 2}
    network = timm.create_model("vit_small_patch16_dinov3", num_classes=0, **small)
    state = dict(network.state_dict())
    official = {
        name.replace("gamma_1", "ls1.gamma").replace("gamma_2", "ls2.gamma"): tensor
        for name, tensor in state.items()
    }
    official["storage_tokens"] = official.pop("reg_token")
    official["mask_token"] = torch.zeros(1, 32)
    official["rope_embed.periods"] = torch.ones(4)
    for block in range(2):
        official[f"blocks.{block}.attn.qkv.bias"] = torch.zeros(96)
        official[f"blocks.{block}.attn.qkv.bias_mask"] = torch.zeros(96)
    torch.save({"teacher": {f"backbone.{n}": t for n, t in official.items()}}, tmp_path / "x.pth")
    found = convert(tmp_path / "x.pth", "timm", network)
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in state.items())


def test_fetched_weights_are_read_without_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `neco weights` wrote for a name of timm is enough to load it."""
    network = timm.create_model("vit_tiny_patch16_224", num_classes=0)
    save_file(network.state_dict(), tmp_path / "x.safetensors")

    def fail(*_: Any, **__: Any) -> None:
        raise AssertionError("the hub was asked")

    monkeypatch.setattr(load, "_from_hub", fail)
    backbone = load_backbone("timm:vit_tiny_patch16_224", tmp_path / "x.safetensors")
    assert torch.equal(backbone.model.norm.bias, network.norm.bias)
