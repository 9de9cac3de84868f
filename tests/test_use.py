"""load and patch_tokens: what they give is what the backbone gives for the same pixels."""

import subprocess
import sys
from pathlib import Path

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


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16", "F"])
def test_an_opened_image_is_its_file(model, tmp_path, mode):
    grey = np.random.default_rng(1).integers(0, 256, (24, 16), dtype=np.uint8)
    image = Image.fromarray(grey).convert("L" if mode in ("I;16", "F") else mode)
    if mode in ("LA", "RGBA"):
        image.putalpha(Image.fromarray(grey[::-1].copy()))
    path = tmp_path / "a.tiff"
    if mode == "I;16":
        image = Image.fromarray(grey.astype(np.uint16) * 257)
    elif mode == "F":
        image = Image.fromarray((grey / 255).astype(np.float32))
    image.save(path)
    with Image.open(path) as opened:
        found = [patch_tokens(model, given) for given in (path, opened, image)]
    for other in found[1:]:
        torch.testing.assert_close(other, found[0])
    if mode in ("I;16", "F"):
        torch.testing.assert_close(found[0], patch_tokens(model, Image.fromarray(grey)))


def test_a_model_of_any_precision_gives_float32(photo):
    exact = patch_tokens(load("demo-vit"), photo[0])
    for kind, near in ((torch.float64, 1e-3), (torch.bfloat16, 0.3)):
        tokens = patch_tokens(load("demo-vit").to(kind), photo[0])
        assert tokens.dtype == torch.float32
        torch.testing.assert_close(tokens, exact, rtol=near, atol=near)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (torch.full((3, 8, 8), 1000), "integers from 1e"),
        (torch.full((3, 8, 8), -1), "integers from -1"),
        (torch.full((3, 8, 8), float("nan")), "floats from nan"),
        (torch.ones(3, 8, 8, dtype=torch.bool), "torch.bool"),
        (torch.ones(3, 8, 8, dtype=torch.complex64), "torch.complex64"),
        (torch.rand(0, 3, 8, 8), "no pixels"),
        (torch.rand(3, 0, 8), "no pixels"),
        (Image.new("RGB", (0, 5)), "0x5 holds no pixels"),
        (Image.fromarray(np.full((8, 8), 7, dtype=np.float32)), "white is not known"),
    ],
)
def test_pixels_that_are_refused(model, given, told):
    with pytest.raises(UserError, match=told):
        patch_tokens(model, given)


def test_images_models_and_sizes_that_are_none(model, photo, tmp_path):
    path = photo[0]
    with pytest.raises(UserError, match="is a directory"):
        patch_tokens(model, tmp_path)
    (tmp_path / "cut.png").write_bytes(path.read_bytes()[:200])
    with pytest.raises(UserError, match=r"cut\.png: truncated"):
        patch_tokens(model, Image.open(tmp_path / "cut.png"))
    closed = Image.open(path)
    closed.close()
    with pytest.raises(UserError, match="closed"):
        patch_tokens(model, closed)
    with pytest.raises(UserError, match="do not fit into memory"):
        patch_tokens(model, path, 10**9)
    for size in (0, -5, float("nan"), float("inf"), "224", (224, 224), True):
        with pytest.raises(UserError, match="1 pixel or more"):
            patch_tokens(model, path, size)
    for other in ("demo-vit", None, model.backbone):
        with pytest.raises(UserError, match="is no model"):
            patch_tokens(other, path)


@pytest.mark.parametrize(
    "what", ["/nowhere", "runs/mine", Path("/nowhere"), "weights.safetensors", "~/nowhere",
             "https://example.org/w.pth", "a\0b", "a\nb", "a" * 5000, "", "  ", None, 3,
             b"demo-vit", ["demo-vit"], {"a": 1}],
)  # fmt: skip
def test_what_names_no_model_is_told_what_does(tmp_path, monkeypatch, what):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as refused:
        load(what)
    told = str(refused.value)
    assert told.startswith("load: ") and "\n" not in told and len(told) < 400
    for form in ("`neco fit`", "`neco export`", "weights file", "docs/backbones.md", "hf-hub:"):
        assert form in told
    if isinstance(what, str | Path) and str(what).isprintable():
        assert str(what).strip()[:90] in told


def test_files_and_folders_that_hold_no_model(tmp_path, photo):
    for name, data in (("a.txt", b"hello"), ("c.json", b"{}"), ("n.npy", b"\x93NUMPY" + bytes(9))):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UserError, match="is no file of weights"):
            load(tmp_path / name)
    with pytest.raises(UserError, match="is no file of weights"):
        load(photo[0], backbone="demo-vit")
    torch.save({"a": torch.ones(3)}, tmp_path / "w.pth")
    with pytest.raises(UserError, match="does not say whose weights"):
        load(tmp_path / "w.pth")
    with pytest.raises(UserError, match="patch-colours has no network"):
        load(tmp_path / "w.pth", backbone="patch-colours")
    with pytest.raises(UserError, match=r"unknown backbone .nope.; docs/backbones\.md lists"):
        load(tmp_path / "w.pth", backbone="nope")
    with pytest.raises(UserError, match=r"backbone is 3"):
        load(tmp_path / "w.pth", backbone=3)
    with pytest.raises(UserError, match="leave out backbone="):
        load("demo-vit", backbone="demo-vit")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "fit.json").write_text("{}")
    with pytest.raises(UserError, match="`neco fit` is not finished"):
        load(tmp_path / "out")
    for block in ("last", 1.5, True):
        with pytest.raises(UserError, match="give a whole number"):
            load("demo-vit", block=block)


def test_the_home_folder_is_found(tmp_path, monkeypatch, model, photo):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert patch_tokens(model, f"~/{photo[0].name}").shape == (5, 3, model.dim)
    with pytest.raises(UserError, match=r"/mine: holds no run"):
        (tmp_path / "mine").mkdir()
        load("~/mine")


def test_what_is_refused(model, tmp_path):
    with pytest.raises(UserError, match="no backbone of that name; did you mean 'demo-vit'"):
        load("demo-vitt")
    with pytest.raises(UserError, match="holds no run"):
        load(tmp_path)
    with pytest.raises(UserError, match="no such image"):
        patch_tokens(model, tmp_path / "a.jpg")
    for name in ("", "a\0b", "https://example.org/a.jpg"):
        with pytest.raises(UserError, match=r"no such image|is empty"):
            patch_tokens(model, name)
    with pytest.raises(UserError, match=r"turn it by .movedim\(-1, 1\)"):
        patch_tokens(model, torch.rand(2, 8, 8, 3))
    with pytest.raises(UserError, match=r"PIL\.Image\.fromarray"):
        patch_tokens(model, np.zeros((8, 8, 3), dtype=np.uint8))
    with pytest.raises(UserError, match="sparse"):
        patch_tokens(model, torch.rand(3, 8, 8).to_sparse())
    (tmp_path / "b.jpg").write_text("no image")
    with pytest.raises(UserError, match=r"b\.jpg"):
        patch_tokens(model, tmp_path / "b.jpg")
    with pytest.raises(UserError, match=r"shape \(4, 8, 8\)"):
        patch_tokens(model, torch.rand(4, 8, 8))
    with pytest.raises(UserError, match="colours from 0 to 1"):
        patch_tokens(model, torch.randn(3, 8, 8))
    with pytest.raises(UserError, match="dict is no image"):
        patch_tokens(model, {})
