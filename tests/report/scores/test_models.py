import json
from pathlib import Path

import pytest

from neco.errors import UserError
from neco.report.scores.groups import read_groups, slug
from neco.report.scores.measured import Measured


def write(path: Path, *models: dict) -> Path:
    path.write_text(json.dumps(models))
    return path


def start(method: str, name: str, label: str, **more: object) -> dict:
    return {"model": name, "kind": "backbone", "method": method, "label": label, **more}


def trained(name: str, begin: str, label: str, **more: object) -> dict:
    base = {"model": f"{name}.seed0", "kind": "run", "run": name, "seed": 0, "method": "NeCo"}
    return {**base, "start": begin, "label": label, **more}


def test_seeds_of_a_run_are_one_group(project: Path) -> None:
    groups = read_groups(project / "models.json")
    assert [group.name for group in groups] == [
        "patch-colours", "dino-vits16", "dinov2r-vits14", "main",
    ]  # fmt: skip
    assert [member.seed for member in groups[-1].members] == [0, 1, 2]
    assert groups[-1].is_run
    assert not groups[0].is_run


def test_a_run_is_named_by_its_start_and_a_variant_keeps_its_own_name(tmp_path: Path) -> None:
    path = write(
        tmp_path / "models.json",
        start("DINOv2R", "dinov2r-vits14", "ViT-S/14"),
        start("DINO", "dino-vits16", "ViT-S/16"),
        trained("a", "dinov2r-vits14", "ViT-S/14"),
        trained("b", "dino-vits16", "ViT-S/16"),
        trained("c", "vits14-imgfocus", "ViT-S/14"),
        {**trained("d", "dinov2r-vits14", "ViT-S/14"), "method": "NeCo, one way"},
    )
    keys = {group.name: group.key for group in read_groups(path)}
    assert keys["a"] == ("DINOv2R+NeCo", "ViT-S/14")
    assert keys["b"] == ("DINO+NeCo", "ViT-S/16")
    assert keys["c"] == ("vits14-imgfocus+NeCo", "ViT-S/14")
    assert keys["d"] == ("NeCo, one way", "ViT-S/14")


def test_ablations_are_stated_or_read_from_the_runs_name(tmp_path: Path) -> None:
    path = write(
        tmp_path / "models.json",
        trained("ablation-9c-1000-100", "x", "ViT-S/14"),
        trained("5a-foreground", "x", "ViT-S/14"),
        trained("base", "x", "ViT-S/14", ablations=["9c/(100,100)", "5a/both"]),
        trained("main", "x", "ViT-S/14"),
    )
    found = {group.name: group.ablations for group in read_groups(path)}
    assert found["ablation-9c-1000-100"] == (f"9c/{slug('(1000,100)')}",)
    assert found["5a-foreground"] == ("5a/foreground",)
    assert found["base"] == ("9c/100-100", "5a/both")
    assert found["main"] == ()


def test_a_broken_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such list"):
        read_groups(tmp_path / "models.json")
    (tmp_path / "models.json").write_text('[{"model": "x"}]')
    with pytest.raises(UserError, match="not a list of models"):
        read_groups(tmp_path / "models.json")


def test_a_released_student_never_fills_the_row_of_a_run(tmp_path: Path) -> None:
    path = write(
        tmp_path / "models.json",
        start("DINO", "dino-vits16", "ViT-S/16"),
        start("DINO+NeCo", "neco-dino-vits16", "ViT-S/16", start="dino-vits16"),
        start("NeCo", "neco-dinov2xr-vits14", "ViT-S/14", start="dinov2xr-vits14"),
        trained("mine", "dino-vits16", "ViT-S/16"),
    )
    dino, released, headline, mine = read_groups(path)
    assert mine.key == ("DINO+NeCo", "ViT-S/16") != released.key
    assert released.checked == mine.key
    assert headline.checked == ("DINOv2R+NeCo", "ViT-S/14")
    assert released.title == "DINO+NeCo, released weights ViT-S/16"
    assert released.is_released and not (mine.is_released or dino.is_released)
    assert mine.checked is dino.checked is None


def test_a_run_and_a_backbone_of_one_name_are_two_groups(tmp_path: Path) -> None:
    path = write(
        tmp_path / "models.json",
        start("DINO", "dino-vits16", "ViT-S/16"),
        trained("dino-vits16", "dino-vits16", "ViT-S/16"),
        trained("other", "dino-vits16", "ViT-S/16"),
    )
    backbone, run, other = read_groups(path)
    assert [g.handle for g in (backbone, run, other)] == [
        "dino-vits16", "dino-vits16 (run)", "other",
    ]  # fmt: skip
    assert Measured([backbone, run, other]).start_of(run) == backbone


def test_a_start_that_is_not_evaluated_still_names_its_runs(tmp_path: Path) -> None:
    mine = trained("mine", "dinov2xr-vits14", "ViT-S/14", start_method="DINOv2R")
    (group,) = read_groups(write(tmp_path / "models.json", mine))
    assert group.key == ("DINOv2R+NeCo", "ViT-S/14")


def test_a_start_is_found_under_the_name_its_files_have(tmp_path: Path) -> None:
    name = "timm:vit_small_patch16_224.dino"
    path = write(
        tmp_path / "models.json",
        start("vit dino", "timm-vit_small_patch16_224.dino", "ViT-S/16"),
        trained("mine", name, "ViT-S/16"),
    )
    groups = read_groups(path)
    assert Measured(groups).start_of(groups[1]) == groups[0]
    assert groups[1].key == ("vit dino+NeCo", "ViT-S/16")
