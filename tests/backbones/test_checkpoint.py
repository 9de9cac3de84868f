"""Checkpoints as people have them: one network in many nestings, and what only looks like one."""

import argparse
import logging
import pathlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from neco.backbones.checkpoint import BadFileError, find_backbone, read_checkpoint
from neco.backbones.convert import convert
from neco.backbones.load import build_network
from neco.backbones.spec import BackboneSpec
from neco.errors import UserError

State = dict[str, Tensor]
Convert = Callable[[Any], State]
ROW = "dinov2-vits14"


@pytest.fixture
def vit(shrunk: Callable[[str], BackboneSpec], weights_of: Callable[..., State]) -> State:
    return weights_of(shrunk(ROW))


@pytest.fixture
def converted(shrunk: Callable[[str], BackboneSpec], tmp_path: Path) -> Convert:
    """Return the function that saves a content and converts the file for the shrunk network."""

    def make(content: Any, name: str = "x.pth") -> State:
        path = tmp_path / name
        if name.endswith(".safetensors"):
            save_file(content, path)
        else:
            torch.save(content, path)
        return convert(path, "dinov2", build_network(shrunk(ROW)))

    return make


def behind(prefix: str, state: State) -> State:
    return {prefix + name: tensor for name, tensor in state.items()}


def chunked(state: State) -> State:
    """Return blocks under the names of DINOv2's training code: chunk, then block."""
    return {
        name.replace("blocks.0.", "blocks.0.0.").replace("blocks.1.", "blocks.1.1."): tensor
        for name, tensor in state.items()
    }


HEAD = {"dino_head.mlp.0.weight": torch.ones(4, 4)}
ADAM = {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": [{"lr": 1e-3, "params": [0]}]}
NESTINGS: dict[str, Callable[[State], Any]] = {
    "bare": lambda s: s,
    "wrapped for several GPUs": lambda s: behind("module.", s),
    "compiled": lambda s: behind("_orig_mod.", s),
    "wrapped and compiled": lambda s: behind("module._orig_mod.", s),
    "with epoch": lambda s: {"model": s, "epoch": 3},
    "with optimiser": lambda s: {
        "state_dict": behind("module.", s),
        "optimizer": ADAM,
        "best": 0.3,
    },
    "with arguments": lambda s: {"model": s, "args": argparse.Namespace(lr=0.1)},
    "with a NumPy number": lambda s: {"model": s, "accuracy": np.float64(0.5)},
    "with a path": lambda s: {"model": s, "out": pathlib.Path("/x")},
    "teacher and head": lambda s: {"teacher": {**behind("backbone.", s), **HEAD}},
    "student first": lambda s: {
        "student": behind("module.backbone.", {n: t + 1 for n, t in s.items()}),
        "teacher": {**behind("backbone.", s), **HEAD},
    },
    "average beside": lambda s: {"model": {n: t + 1 for n, t in s.items()}, "model_ema": s},
    "chunked": chunked,
    "chunked teacher": lambda s: {"teacher": {**behind("backbone.", chunked(s)), **HEAD}},
    "a run's own": lambda s: {"student": {**behind("backbone.model.", s), "head.w": torch.ones(1)}},
    "parameters": lambda s: {name: torch.nn.Parameter(tensor) for name, tensor in s.items()},
    "mask token": lambda s: {**s, "mask_token": torch.zeros(1, 8)},
    "classifier": lambda s: {**s, "head.weight": torch.ones(5, 8), "head.bias": torch.ones(5)},
}


@pytest.mark.parametrize("nesting", NESTINGS)
def test_every_nesting_gives_the_same_tensors(nesting: str, vit: State, converted: Convert) -> None:
    found = converted(NESTINGS[nesting](vit))
    assert found.keys() == vit.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in vit.items())


def test_a_path_saved_by_python_3_13_is_read(monkeypatch, vit: State, converted: Convert) -> None:
    """There the class says that it is of `pathlib._local`, a module that others do not have."""
    monkeypatch.setitem(sys.modules, "pathlib._local", pathlib)
    monkeypatch.setattr(pathlib.PosixPath, "__module__", "pathlib._local")
    assert converted({"model": vit, "out": pathlib.Path("/x")}).keys() == vit.keys()


@given(
    nest=st.lists(st.sampled_from(["model", "net", "state_dict", "teacher"]), max_size=3),
    prefix=st.lists(st.sampled_from(["module", "_orig_mod", "backbone", "encoder"]), max_size=3),
    beside=st.booleans(),
)
def test_any_nesting_and_prefix_is_found(nest: list[str], prefix: list[str], beside: bool) -> None:
    names = ["cls_token", "blocks.0.norm1.weight", "norm.weight"]
    start = "".join(f"{part}." for part in prefix)
    content: Any = {start + name: torch.tensor([float(i)]) for i, name in enumerate(names)}
    if beside:
        content |= {"other_head.weight": torch.ones(1), "epoch": 3}
    for key in reversed(nest):
        content = {key: content, "optimizer": {"state": {}}}
    found = find_backbone(content, names, Path("x"))
    assert {name: float(tensor) for name, tensor in found.state.items() if name in names} == {
        name: float(i) for i, name in enumerate(names)
    }
    if prefix and beside:
        assert found.beside == ("other_head.weight",)


def test_the_log_names_nesting_heads_and_resampled_positions(
    vit: State, converted: Convert, caplog: pytest.LogCaptureFixture
) -> None:
    vit["pos_embed"] = torch.randn(1, 1 + 4 * 4, 8)
    with caplog.at_level(logging.INFO, "neco"):
        converted(
            {"teacher": {**behind("backbone.", {**vit, "head.weight": torch.ones(1)}), **HEAD}}
        )
    assert "x.pth: the backbone's tensors are in teacher behind backbone." in caplog.messages
    assert "x.pth: left out dino_head" in caplog.messages
    assert "x.pth: left out head.weight (no part of the features)" in caplog.messages
    assert "x.pth: positions of 4x4 patches resampled to 3x3" in caplog.messages


def test_positions_of_another_grid_are_resampled_and_the_class_token_keeps_its_own(
    vit: State, converted: Convert
) -> None:
    grid = torch.randn(1, 5 * 5, 8)
    vit["pos_embed"] = torch.cat([vit["pos_embed"][:, :1], grid], 1)
    found = converted(vit)["pos_embed"]
    square = grid.reshape(1, 5, 5, 8).permute(0, 3, 1, 2)
    expected = torch.nn.functional.interpolate(square, (3, 3), mode="bicubic", antialias=True)
    assert torch.equal(found[:, :1], vit["pos_embed"][:, :1])
    torch.testing.assert_close(found[:, 1:], expected.flatten(2).transpose(1, 2))


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_is_widened(kind: torch.dtype, vit: State, converted: Convert) -> None:
    found = converted({name: tensor.to(kind) for name, tensor in vit.items()})
    assert {tensor.dtype for tensor in found.values()} == {torch.float32}
    assert torch.equal(found["cls_token"], vit["cls_token"].to(kind).float())


def test_the_content_decides_and_not_the_suffix(vit: State, tmp_path: Path) -> None:
    save_file(vit, tmp_path / "x.pth")
    torch.save(vit, tmp_path / "x.safetensors")
    torch.save(vit, tmp_path / "old", _use_new_zipfile_serialization=False)
    for name in ("x.pth", "x.safetensors", "old"):
        assert torch.equal(read_checkpoint(tmp_path / name)["cls_token"], vit["cls_token"])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nan_is_refused_by_the_name_of_its_tensor(
    value: float, vit: State, converted: Convert
) -> None:
    vit["blocks.1.mlp.fc1.bias"][3] = value
    with pytest.raises(BadFileError, match=r"tensor blocks\.1\.mlp\.fc1\.bias holds 1 NaN or inf"):
        converted(vit)


def test_names_of_the_transformers_library_are_told_apart(vit: State, converted: Convert) -> None:
    with pytest.raises(UserError, match="names of the transformers library"):
        converted({name.replace("blocks.", "encoder.layer."): t for name, t in vit.items()})


class Foreign:
    """An object that only its writer has."""


IMPOSTORS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty; fetch it again"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\n", "git lfs pull"),
    "page": (b"<!DOCTYPE html><html><title>Dropbox</title>", r"web page \('Dropbox'\)"),
    "untitled page": (b"\n<html><body>no</body>", "is a web page, not weights"),
    "half a zip": (b"PK\x03\x04 half", "damaged or cut short"),
    "half a safetensors": (b"\x20\x00\x00\x00\x00\x00\x00\x00{", "damaged or cut short"),
}


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("kind", IMPOSTORS)
def test_what_is_no_weights_is_named(kind: str, suffix: str, tmp_path: Path) -> None:
    content, message = IMPOSTORS[kind]
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    with pytest.raises(BadFileError, match=message) as error:
        read_checkpoint(path)
    assert "\n" not in str(error.value) and str(path) in str(error.value)


def test_files_that_hold_more_than_data_are_not_loaded(vit: State, tmp_path: Path) -> None:
    torch.save({"model": vit, "cfg": Foreign()}, tmp_path / "foreign.pth")
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pth")
    for name, culprit in (("foreign", r"test_checkpoint\.Foreign"), ("module", r"torch\.nn\.\w+")):
        with pytest.raises(BadFileError, match=f"{culprit}.*was not loaded") as error:
            read_checkpoint(tmp_path / f"{name}.pth")
        assert "\n" not in str(error.value)


def test_a_cut_file_a_folder_and_nothing(vit: State, tmp_path: Path) -> None:
    torch.save(vit, tmp_path / "x.pth")
    whole = (tmp_path / "x.pth").read_bytes()
    for share in (0.1, 0.5, 0.99):
        (tmp_path / "x.pth").write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(BadFileError, match="damaged or cut short"):
            read_checkpoint(tmp_path / "x.pth")
    with pytest.raises(UserError, match="is a folder, not a file"):
        read_checkpoint(tmp_path)
    with pytest.raises(UserError, match="no such weights"):
        read_checkpoint(tmp_path / "absent.pth")
