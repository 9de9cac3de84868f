"""load and patch_tokens: what they give is what the backbone gives for the same pixels."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import neco
from neco import load, patch_tokens
from neco.backbones.load import load_backbone
from neco.errors import UserError
from neco.export.export import export
from neco.export.source import Source
from neco.normalisation import IMAGENET
from neco.use import rounded_size


@pytest.fixture(scope="module")
def model():
    return load("demo-vit")


@pytest.fixture
def photo(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 24, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a photo ü.png")
    return tmp_path / "a photo ü.png", pixels


def test_the_package_is_cheap_to_import():
    code = "import sys, neco; print(*({'torch', 'numpy', 'PIL'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        _ = neco.lod


@torch.no_grad()
def test_a_file_an_image_a_list_and_a_tensor_are_one(model, photo):
    path, pixels = photo
    mean, deviation = (np.array(part, dtype=np.float32) for part in IMAGENET)
    normalised = (pixels / np.float32(255) - mean) / deviation
    wanted = load_backbone("demo-vit", None)(torch.from_numpy(normalised).permute(2, 0, 1)[None])
    tokens = patch_tokens(model, path)
    assert tokens.shape == (5, 3, model.dim) and not tokens.requires_grad
    torch.testing.assert_close(tokens, wanted[0], rtol=1e-4, atol=1e-4)
    image, tensor = Image.open(path), torch.from_numpy(pixels).permute(2, 0, 1)
    listed = patch_tokens(model, [str(path), image])
    for other in (*listed, patch_tokens(model, tensor), patch_tokens(model, tensor / 255)):
        torch.testing.assert_close(other, tokens, rtol=1e-4, atol=1e-4)
    assert patch_tokens(model, tensor[None]).shape == (1, *tokens.shape)


def test_photographs_are_turned_upright(model, tmp_path):
    pixels = np.zeros((16, 32, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "turned.jpg", exif=exif)
    assert patch_tokens(model, tmp_path / "turned.jpg").shape[:2] == (4, 2)
    assert patch_tokens(model, Image.open(tmp_path / "turned.jpg")).shape[:2] == (4, 2)


@pytest.mark.parametrize(
    ("given", "size", "wanted"),
    [
        ((40, 24), None, (40, 24)),
        ((43, 45), None, (40, 48)),
        ((3, 100), None, (8, 96)),
        ((200, 100), 32, (64, 32)),
        ((100, 333), 30, (32, 96)),
    ],
)
def test_sizes_are_rounded_to_patches(model, given, size, wanted):
    assert rounded_size(*given, 8, size) == wanted
    rows, columns = wanted[0] // 8, wanted[1] // 8
    tokens = patch_tokens(model, torch.rand(3, *given), size)
    assert tokens.shape == (rows, columns, model.dim)


def test_an_exported_folder_and_a_file(tmp_path, model, photo):
    from neco.backbones.fetch import fetch_and_convert

    file = fetch_and_convert("demo-vit", tmp_path / "w.safetensors", [], tmp_path)
    folder = export(Source("demo-vit", file), tmp_path / "model")
    wanted = patch_tokens(model, photo[0])
    for place in (file, folder, str(folder)):
        torch.testing.assert_close(patch_tokens(load(place), photo[0]), wanted)
    assert not torch.equal(patch_tokens(load(folder, block=-3), photo[0]), wanted)


def test_what_is_refused(model, tmp_path):
    with pytest.raises(UserError, match="unknown backbone"):
        load("demo-vitt")
    with pytest.raises(UserError, match="holds no run"):
        load(tmp_path)
    with pytest.raises(UserError, match="no such image"):
        patch_tokens(model, tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_text("no image")
    with pytest.raises(UserError, match=r"b\.jpg"):
        patch_tokens(model, tmp_path / "b.jpg")
    with pytest.raises(UserError, match=r"shape \(4, 8, 8\)"):
        patch_tokens(model, torch.rand(4, 8, 8))
    with pytest.raises(UserError, match="colours from 0 to 1"):
        patch_tokens(model, torch.randn(3, 8, 8))
    with pytest.raises(UserError, match="dict is no image"):
        patch_tokens(model, {})
