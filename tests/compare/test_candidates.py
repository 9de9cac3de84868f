"""What `--backbone` can name, and under which name it is shown."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from neco.backbones import convert
from neco.backbones.load import load_backbone, write_weights
from neco.backbones.registry import backbone_spec
from neco.compare.candidates import candidates, load, refuse_unfit
from neco.errors import UserError


@pytest.fixture
def trained(tmp_path):
    """Return the folder of a training, its weights a little changed, without a record."""
    folder = tmp_path / "my runs" / "geübt"
    folder.mkdir(parents=True)
    state = load_backbone("demo-vit", None).timm_state()
    state = {key: value.clone() for key, value in state.items()}
    state["norm.bias"] += 1
    save_file(state, folder / "backbone.safetensors")
    return folder


def bias(one, tmp_path):
    network = load(one, None, tmp_path / "weights", [], tmp_path / "downloads")
    return network.timm_state()["norm.bias"]


def test_a_run_a_file_and_a_named_file_are_the_same_weights(trained, tmp_path):
    file = trained / "backbone.safetensors"
    given = [str(trained), str(file), f"demo-vit={file}", f"demo-vit={trained}", "demo-vit",
             f"file:{file}@demo-vit"]  # fmt: skip
    found = candidates(given)
    assert [one.name for one in found] == [
        "geübt", "geübt (2)", "geübt (3)", "geübt (4)", "demo-vit", "backbone",
    ]  # fmt: skip
    assert len({one.key for one in found}) == len(found)
    expected = load_backbone("demo-vit", None).timm_state()["norm.bias"]
    for one in found:
        changed = expected if one.name == "demo-vit" else expected + 1
        assert torch.equal(bias(one, tmp_path), changed)


def test_shapes_say_which_network_a_file_is_of(trained):
    found = candidates([str(trained)])[0]
    assert backbone_spec(found.backbone).architecture == backbone_spec("demo-vit").architecture
    assert backbone_spec(found.backbone).overrides == backbone_spec("demo-vit").overrides


def test_a_record_is_believed_before_shapes(trained):
    (trained / "training.json").write_text(json.dumps({"backbone": "demo-vit-random"}))
    assert candidates([str(trained)])[0].backbone == "demo-vit-random"


def test_the_folder_around_a_run_is_that_run(trained, tmp_path):
    outer = tmp_path / "fitted"
    outer.mkdir()
    trained.rename(outer / "run")
    found = candidates([str(outer)])[0]
    assert (found.name, found.weights) == ("fitted", outer / "run" / "backbone.safetensors")


def test_weights_of_no_known_network(tmp_path):
    save_file({"a": torch.zeros(2)}, tmp_path / "odd.safetensors")
    with pytest.raises(UserError, match=r"of no backbone .* NAME="):
        candidates([str(tmp_path / "odd.safetensors")])


@pytest.mark.parametrize("form", ["{}", "demo-vit={}", "file:{}@demo-vit"])
def test_files_that_are_no_weights_are_told_first(tmp_path, form):
    file = tmp_path / "w.safetensors"
    for content, told in (
        ("", "is empty"),
        ("version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        ("<!DOCTYPE html><title>Log in</title>", "a web page"),
    ):
        file.write_text(content)
        with pytest.raises(UserError, match=told):
            candidates(["demo-vit", form.format(file)])
    file.unlink()
    with pytest.raises(UserError, match=r"there is no|no such"):
        candidates(["demo-vit", form.format(file)])


def test_names_of_timm_are_short():
    name = "vit_tiny_patch16_224"
    assert [one.name for one in candidates([f"timm:{name}", name])] == [name, f"{name} (2)"]


@pytest.fixture
def filled(monkeypatch):
    """Return the files whose tensors are read, in order, while no network gets numbers."""
    read = []
    true = convert.convert
    monkeypatch.setattr(
        "neco.backbones.convert.convert", lambda path, *more: read.append(path) or true(path, *more)
    )
    monkeypatch.setattr("neco.backbones.load.fill", lambda *given: pytest.fail("was filled"))
    return read


def test_what_does_not_fit_is_told_without_filling_a_network(trained, tmp_path, filled):
    """A file that this project wrote is believed by its header; any other is read whole."""
    own, other = tmp_path / "own.safetensors", trained / "backbone.safetensors"
    state = load_file(other)
    write_weights(state, own, {"backbone": "demo-vit"})
    places = (tmp_path / "weights", [], tmp_path / "downloads")
    given = candidates(["demo-vit", "patch-colours", str(own), f"demo-vit={other}"])
    refuse_unfit(given, -6, *places)
    assert filled == [other]
    with pytest.raises(UserError, match=r"block 6: demo-vit has 6"):
        refuse_unfit(given, 6, *places)
    state["norm.bias"][0] = torch.nan
    save_file(state, other)
    with pytest.raises(UserError, match=r"norm\.bias holds 1 NaN"):
        refuse_unfit(given, None, *places)
    del state["norm.bias"]
    write_weights(state, own, {"backbone": "demo-vit"})
    with pytest.raises(UserError, match=r"own\.safetensors: does not fit .*missing norm\.bias"):
        refuse_unfit(given, None, *places)
