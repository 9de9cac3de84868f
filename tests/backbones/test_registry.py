"""Names, sources and the two forms that make a row on the spot."""

import dataclasses
import string
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neco.backbones.convert import CONVERTERS
from neco.backbones.load import build_network
from neco.backbones.registry import BACKBONES, backbone_spec, file_stem, named, refuse_unknown
from neco.backbones.spec import Download, Given, LocalFile, TimmHub, Wheel
from neco.errors import UserError

PAPER = {
    "dino": {"s16", "b16"},
    "ibot": {"s16", "b16"},
    "mae": {"b16"},
    "croc": {"s16"},
    "timet": {"s16"},
    "selfpatch": {"s16"},
    "leopart": {"s16", "b16"},
    "cribo": {"s16", "b16"},
    "dinov2": {"s14", "b14"},
    "dinov2r": {"s14", "b14"},
    "dinov2xr": {"s14", "b14"},
}


def test_every_backbone_of_the_paper_has_a_row() -> None:
    wanted = {f"{family}-vit{size}" for family, sizes in PAPER.items() for size in sizes}
    assert wanted <= set(BACKBONES)


def test_rows_are_immutable_and_their_converters_exist() -> None:
    for name, row in BACKBONES.items():
        assert row.name == name
        assert row.converter in CONVERTERS
        with pytest.raises(dataclasses.FrozenInstanceError):
            row.name = "other"  # type: ignore[misc]


def test_no_two_sources_share_a_file_name() -> None:
    owner: dict[str, object] = {}
    for row in BACKBONES.values():
        if isinstance(row.source, Download | Given | Wheel):
            assert owner.setdefault(row.source.file, row.source) == row.source
            assert "/" not in row.source.file and "?" not in row.source.file


def test_released_students_know_their_start() -> None:
    starts = {name: row.start for name, row in BACKBONES.items() if row.start}
    released = {
        name
        for name, row in BACKBONES.items()
        if isinstance(row.source, Download) and "/NeCo/" in row.source.url
    }
    assert set(starts) == released == {name for name in BACKBONES if name.startswith("neco-")}
    for name, start in starts.items():
        assert name == f"neco-{start}"
        shape = ("label", "architecture", "prefix_tokens")
        own, before = BACKBONES[name], BACKBONES[start]
        assert all(getattr(own, key) == getattr(before, key) for key in shape)


def test_the_papers_names_belong_to_dinov2r_without_registers() -> None:
    for size in ("s14", "b14"):
        assert BACKBONES[f"dinov2xr-vit{size}"].method == "DINOv2R"
        assert BACKBONES[f"neco-dinov2xr-vit{size}"].method == "NeCo"
        for kept in (f"dinov2r-vit{size}", f"neco-dinov2r-vit{size}"):
            assert BACKBONES[kept].method.endswith(" with registers")


def test_digests_are_sha256() -> None:
    digests = [getattr(row.source, "sha256", None) for row in BACKBONES.values()]
    stated = [digest for digest in digests if digest is not None]
    assert stated
    assert all(len(digest) == 64 and set(digest) <= set("0123456789abcdef") for digest in stated)


def test_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UserError, match=r"unknown backbone 'dino-vits-16'; did you mean 'dino-vi"):
        backbone_spec("dino-vits-16")


def test_a_file_or_folder_is_told_how_it_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").touch()
    (tmp_path / "w.pth").touch()
    for name, told in (
        ("model", "local-dir:model"),
        ("run", "--weights"),
        ("w.pth", "file:w.pth@"),
    ):
        with pytest.raises(UserError, match=rf"backbone '{name}': is a .*{told}"):
            backbone_spec(name)
    for name in ("", "x" * 5000, "a\0b"):
        with pytest.raises(UserError, match="unknown backbone '"):
            backbone_spec(name)


def test_file_of_ones_own_takes_the_shape_of_a_row() -> None:
    row = backbone_spec("file:/some/folder@home/x.safetensors@dinov2r-vits14")
    assert row.source == LocalFile(Path("/some/folder@home/x.safetensors"))
    assert row.architecture == BACKBONES["dinov2r-vits14"].architecture
    assert row.name.startswith("file:")
    assert row.method == "DINOv2R with registers (weights of x.safetensors)"
    assert backbone_spec("file:/x.ckpt@neco-dino-vits16").start is None
    for wrong in ("file:/x.safetensors", "file:/x@nothing", "file:/x@patch-colours"):
        with pytest.raises(UserError, match=r"which architecture|unknown backbone|no network"):
            backbone_spec(wrong)


def test_timm_name_is_read_off_timms_network() -> None:
    row = backbone_spec("timm:vit_small_patch14_reg4_dinov2.lvd142m")
    assert row.source == TimmHub("vit_small_patch14_reg4_dinov2.lvd142m")
    assert (row.patch_size, row.image_size, row.prefix_tokens) == (14, 518, 5)
    with torch.device("meta"):
        network = build_network(row)
    assert network.patch_embed.grid_size == (37, 37)


def test_timm_names_need_neither_tag_nor_prefix() -> None:
    tagged = backbone_spec("timm:deit_tiny_patch16_224.fb_in1k")
    assert (tagged.patch_size, tagged.image_size, tagged.prefix_tokens) == (16, 224, 1)
    for name in ("timm:deit_tiny_patch16_224", "deit_tiny_patch16_224"):
        row = backbone_spec(name)
        assert row.source == TimmHub("deit_tiny_patch16_224")
        assert (row.patch_size, row.licence) == (16, tagged.licence)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("timm:vit_smal_patch16_224", "no such model; did you mean 'vit_small_patch16_224'"),
        ("timm:vit_small_patch16_224.dinosaur", "no weights of this tag .* it has .*dino"),
        ("timm:levit_128", "LevitDistilled gives no grid of tokens: "),
        ("timm:inception_v3", "gives no grid of tokens: "),
        ("local-dir:/nowhere", r"/nowhere/config\.json: cannot be read \(no such file\)"),
        ("file:/x.pth@timm:levit_128", "gives no grid of tokens: "),
    ],
)
def test_names_without_a_grid_of_tokens_are_one_line(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        backbone_spec(name)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


def test_the_stride_of_a_hybrid_is_the_one_of_its_tokens() -> None:
    """Its patch embedding says 1 or 8, in pixels of the convolutional network's map."""
    assert backbone_spec("vit_tiny_r_s16_p8_224").patch_size == 32
    assert backbone_spec("vit_small_r26_s32_224").patch_size == 32


@given(st.text(min_size=1))
def test_file_stems_are_safe(name: str) -> None:
    stem = file_stem(f"file:{name}@dino-vits16")
    assert stem and set(stem) <= set(string.ascii_letters + string.digits + "._-")


def test_file_stem_of_a_row_is_its_name() -> None:
    assert [file_stem(name) for name in BACKBONES] == list(BACKBONES)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("neco-dinov2xr-vits14", ("NeCo", "ViT-S/14", "dinov2xr-vits14")),
        ("hf-hub:owner/some-vit", ("some-vit", "some-vit", None)),
        (
            "timm:vit_small_patch16_224.dino",
            ("vit_small_patch16_224.dino", "vit_small_patch16_224", None),
        ),
    ],
)
def test_a_name_for_tables_asks_no_hub(name, expected, monkeypatch):
    """A dry run plans with names of hubs that are not reached."""
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("asked a hub"))
    assert named(name) == expected


def test_names_are_refused_without_building_a_network(monkeypatch):
    """A workflow asks so for all of its models at each start."""
    monkeypatch.setattr("neco.backbones.registry.backbone_spec", None)
    refuse_unknown(["demo-vit", "hf-hub:a/b", "timm:x", "vit_tiny_patch16_224"], ["demo-vit"])
    refuse_unknown(["patch-colours"], [])
    with pytest.raises(UserError, match="unknown backbone 'demovit'; did you mean 'demo-vit'"):
        refuse_unknown([], ["demovit"])
    with pytest.raises(UserError, match=r"patch-colours has no sequence of blocks"):
        refuse_unknown([], ["patch-colours"])
