"""The command from a folder to its files, on small photographs."""

import csv
import json
import re
from importlib.util import find_spec

import pytest
import torch

from neco.cli import main
from neco.evaluate.result import read_result
from tests.compare.conftest import PROTOCOLS, SMALL, compare, write_photographs


def row(content, backbone, protocol, setting=None):
    return next(
        one
        for one in content["rows"]
        if one["backbone"] == backbone
        and one["protocol"] == protocol
        and (one["headline"] if setting is None else one["setting"] == setting)
    )


def test_a_backbone_against_itself_differs_by_nothing(content):
    assert [one["name"] for one in content["backbones"]] == [
        "demo-vit", "demo-vit (2)", "patch-colours",
    ]  # fmt: skip
    twins = [one for one in content["rows"] if one["backbone"] == "demo-vit (2)"]
    assert {one["protocol"] for one in twins} == set(PROTOCOLS.split(","))
    for one in twins:
        assert (one["difference"], one["difference_low"], one["difference_high"]) == (0, 0, 0)
        assert not one["sure"]


def test_the_baseline_has_no_difference_and_others_have_their_own(content):
    assert row(content, "demo-vit", "linear")["difference"] is None
    mine, base = row(content, "patch-colours", "in-context"), row(content, "demo-vit", "in-context")
    assert mine["difference"] == pytest.approx(mine["value"] - base["value"], abs=1e-3)
    assert mine["difference_low"] <= mine["difference"] <= mine["difference_high"]
    assert mine["value_low"] <= mine["value"] <= mine["value_high"]
    halves = row(content, "patch-colours", "in-context", "1/2")
    assert halves["seeds"] == 2 and not halves["headline"]


def test_numbers_are_those_of_the_metrics_files(compared, content):
    for one in content["rows"]:
        name = one["backbone"].replace(" (", "-").replace(")", "")
        files = list(compared.glob(f"metrics/*/{one['protocol']}/{name}.json"))
        assert len(files) == 1
        summary = read_result(files[0]).summary[one["setting"]]
        assert one["value"] == pytest.approx(summary.mIoU, abs=1e-4)
        assert one["quantity"] == summary.quantity


def test_the_table_as_csv_says_the_same(compared, content):
    with (compared / "comparison.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(content["rows"])
    assert rows[0]["backbone"] == content["rows"][0]["backbone"]
    assert float(rows[0]["value"]) == content["rows"][0]["value"]


def test_a_second_call_measures_nothing_and_says_the_same(
    compared, content, photographs, monkeypatch
):
    import neco.compare.measure

    def never(*_, **__):
        raise AssertionError("features were extracted again")

    monkeypatch.setattr(neco.compare.measure, "extract_features", never)
    backbones = ["--backbone", "demo-vit", "--backbone", "demo-vit", "--backbone", "patch-colours"]
    assert compare(compared, "--data", photographs, "--protocols", PROTOCOLS, *backbones) == 0
    again = json.loads((compared / "comparison.json").read_text(encoding="utf-8"))
    assert all(one["kept"] for one in again["rows"]) and not any(again["seconds"].values())
    for one, other in zip(content["rows"], again["rows"], strict=True):
        assert {**one, "kept": True} == other


def test_other_settings_are_measured_anew(tmp_path, photographs):
    out, given = tmp_path / "out", ["--data", photographs, "--backbone", "patch-colours"]
    values = []
    for clusters in (3, 9):
        settings = (*SMALL, f"overcluster.clusters=[{clusters}]")
        assert compare(out, *given, "--protocols", "overcluster", settings=settings) == 0
        rows = json.loads((out / "comparison.json").read_text())["rows"]
        assert not rows[0]["kept"]
        values.append((rows[0]["setting"], rows[0]["value"]))
    assert values[0][0] == "K=3" and values[1][0] == "K=9" and values[0][1] != values[1][1]


def test_photographs_without_labels(tmp_path, capsys):
    photos = write_photographs(tmp_path / "ohne Masken", count=6, masks=False)
    out, table = tmp_path / "out", tmp_path / "a table.csv"
    backbones = ["--backbone", "demo-vit", "--backbone", "demo-vit-random"]
    assert compare(out, "--data", photos, *backbones, "--csv", table) == 0
    content = json.loads((out / "comparison.json").read_text())
    assert {one["protocol"] for one in content["rows"]} == {"consistency"}
    assert {one["quantity"] for one in content["rows"]} == {"shared neighbours", "rank correlation"}
    told = capsys.readouterr().out
    left_out = "no in-context, overcluster, linear, unsupervised: the held-out images have no masks"
    assert left_out in told
    assert table.read_text() == (out / "comparison.csv").read_text()
    assert '"predictions": null' in (out / "comparison.html").read_text()


def test_several_folders_are_a_leaderboard(tmp_path, photographs, capsys):
    other = write_photographs(tmp_path / "other", count=8)
    out = tmp_path / "out"
    given = ["--data", photographs, "--data", other, "--backbone", "patch-colours"]
    assert compare(out, *given, "--protocols", "overcluster") == 0
    content = json.loads((out / "comparison.json").read_text())
    assert [one["name"] for one in content["datasets"]] == ["Gärten und Höfe", "other"]
    assert {one["dataset"] for one in content["rows"]} == {"Gärten und Höfe", "other"}
    assert len(re.findall(r"^(?:Gärten und Höfe|other) ", capsys.readouterr().out, re.M)) == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--data", "nowhere", "--backbone", "demo-vit"], "nowhere: there is no such folder"),
        (["--data", "empty", "--backbone", "demo-vit"], "empty: "),
        (["--data", "photos", "--backbone", "demo-vot"], "did you mean 'demo-vit'?"),
        (["--data", "photos", "--backbone", "x/y.pth"], "there is no such file or folder"),
        (["--data", "photos", "--backbone", "demo-vit=no.pth"], "no file or folder no.pth"),
        (["--data", "photos", "--backbone", "empty"], "holds no backbone.safetensors"),
        (["--data", "photos", "--backbone", "photos/images/00.png"], "is no file of weights"),
        (["--data", "photos", "--backbone", "demo-vit=photos/images/00.png"],
         "is no file of weights"),
        (["--data", "photos", "--backbone", "file:photos/images/00.png@demo-vit"],
         "is no file of weights"),
        (["--data", "photos", "--backbone", "own.pth"],
         "own.pth: a file of torch.save does not say which network"),
        (["--data", "other.pth", "--backbone", "demo-vit"], "--data other.pth: is a file; name"),
        (["--data", "loop", "--backbone", "demo-vit"], "--data loop: is a link that leads nowhere"),
        (["--data", "photos", "--backbone", "other.pth"], "name the architecture"),
        (["--data", "photos", "--backbone", "demo-vit", "--protocols", "segmenter"],
         "--protocols: unknown protocol 'segmenter'; valid: "),
        (["--data", "photos", "--backbone", "demo-vit", "--protocols", "lineer"], "mean 'linear'"),
        (["--data", "photos", "--backbone", ""], "--backbone: is empty"),
        (["--data", "photos", "--data", "nowhere", "--backbone", "demo-vit"], "no such folder"),
        (["--data", "photos", "--backbone", "demo-vit", "--val-split", "tset"],
         "--val-split tset: photos has no such split"),
        (["--data", "photos", "--backbone", "patch-colours", "--backbone", "demo-vit", "--block",
          "99"], "block 99: "),
        (["--data", "photos", "--backbone", "patch-colours", "--backbone", "demo-vit=other.pth"],
         "other.pth: holds nothing"),
        (["--data", "photos", "--backbone", "demo-vit", "--set", "compare.nope=1"],
         "'compare.nope'"),
        (["--data", "photos", "--backbone", "demo-vit", "--csv", "empty"],
         "--csv empty: is a folder"),
        (["--data", "photos", "--backbone", "demo-vit", "--csv", "own.pth/a/b.csv"],
         "own.pth is a file; name a file in a folder"),
        (["--data", "photos", "--backbone", "demo-vit", "--out", "other.pth"],
         "--out other.pth: is a file; name a folder"),
        (["--data", "photos", "--backbone", "demo-vit="], "there is no file or folder"),
        (["--data", "photos", "--backbone", "patch-colours", "--protocols", "linear"],
         "nothing can be measured: linear: the held-out images have no masks"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_one_line(tmp_path, monkeypatch, capsys, arguments, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    write_photographs(tmp_path / "photos", count=3, masks=False)
    for name in ("other.pth", "own.pth"):
        torch.save({"a": torch.ones(1)}, tmp_path / name)
    assert compare(tmp_path / "out", *arguments, settings=()) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines[-1].startswith("neco compare: ") and told in lines[-1]
    assert not (tmp_path / "out" / "comparison.json").exists()
    if "nothing can" not in told and told != "empty: ":
        assert not (tmp_path / "out").exists()  # nor has a folder been prepared


def test_a_name_that_takes_no_weights_is_told(tmp_path, capsys):
    photos = write_photographs(tmp_path / "photos", count=3, masks=False)
    weights = tmp_path / "w.safetensors"
    weights.write_bytes(b"x")
    given = ["--data", str(photos), "--backbone", f"patch-colours={weights}"]
    assert main(["compare", "--out", str(tmp_path / "out"), *given]) == 1
    assert "has no network that a file could fill" in capsys.readouterr().err


def test_attention_where_there_is_some(tmp_path, photographs):
    if find_spec("infomap") is None:  # looked for only: imported before faiss it would crash
        pytest.skip("infomap is not installed")
    small = {"components": 4, "iterations": 5, "redos": 1, "foreground_clusters": 8, "clusters": 5,
             "seeds": [0], "foreground_seeds": [0]}  # fmt: skip
    settings = (*SMALL, *(f"unsupervised.{key}={value}" for key, value in small.items()))
    out, given = tmp_path / "out", ["--data", photographs, "--protocols", "unsupervised"]
    for kept in (False, True):
        backbones = ["--backbone", "demo-vit", "--backbone", "patch-colours"]
        assert compare(out, *given, *backbones, settings=settings) == 0
        content = json.loads((out / "comparison.json").read_text())
        assert {one["backbone"] for one in content["rows"]} == {"demo-vit"}
        assert all(one["kept"] == kept for one in content["rows"])
        left = content["left_out"][0]
        assert (left["backbone"], left["protocol"]) == ("patch-colours", "unsupervised")
        assert "no attention" in left["reason"]


def test_damaged_files_are_made_again(tmp_path, photographs):
    out, given = tmp_path / "out", ["--data", photographs, "--backbone", "patch-colours"]
    values = []
    for _ in range(2):
        assert compare(out, *given, "--protocols", "overcluster") == 0
        content = json.loads((out / "comparison.json").read_text())
        values.append([one["value"] for one in content["rows"]])
        assert not any(one["kept"] for one in content["rows"])
        for path in out.rglob("*.np[yz]"):
            path.write_bytes(path.read_bytes()[:100])
    assert values[0] == values[1]
