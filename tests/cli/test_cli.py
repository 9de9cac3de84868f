"""Commands: wrong input ends in one line and a code, and leaves nothing behind."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neco.cli import main
from neco.features import read_features
from neco.locks import held
from neco.normalisation import IMAGENET


def run(capsys, *arguments: object) -> tuple[int, str]:
    code = main([str(argument) for argument in arguments])
    return code, capsys.readouterr().err.strip()


@pytest.fixture
def photos(tmp_path) -> Path:
    folder = tmp_path / "archives" / "mine"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(4):
        pixels = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.jpg")
    return folder


def refused(capsys, match: str, *arguments: object) -> None:
    code, told = run(capsys, *arguments)
    last = told.splitlines()[-1]
    assert code == 1
    assert last.startswith(f"neco {arguments[0]}: ") and match in last
    assert "Traceback" not in told


def test_a_missing_archive(capsys, tmp_path):
    into = tmp_path / "prepared" / "pascal-voc"
    (tmp_path / "archives").mkdir()
    refused(
        capsys, "VOCtrainval_11-May-2012.tar", "prepare", "pascal-voc",
        "--archives", tmp_path / "archives", "--into", into,
    )  # fmt: skip
    assert not into.exists()


def test_a_figure_of_a_dataset_alone_needs_no_configuration(capsys, photos, tmp_path):
    """Without a configuration the splits have their usual names."""
    told = ("figure", "3", "--into", tmp_path / "figures", "--data")
    refused(capsys, "is a file; name the folder that holds a prepared dataset", *told,
            photos / "0.jpg")  # fmt: skip
    assert run(capsys, "prepare", photos, "--into", tmp_path / "prepared")[0] == 0
    refused(capsys, "no split 'val'; valid: train", *told, tmp_path / "prepared")


def test_a_file_in_the_place_of_archives(capsys, photos, tmp_path):
    refused(capsys, f"--archives {photos / '0.jpg'}: is a file; name the folder", "prepare", "coco",
            "--archives", photos / "0.jpg", "--into", tmp_path / "coco")  # fmt: skip


def test_an_unknown_key_and_an_unknown_run(capsys, tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("in_context: {neighbors: 3}\n")
    common = ("--data", tmp_path, "--into", tmp_path / "out")
    refused(capsys, "did you mean 'neighbours'", "train", "--config", config, "--run", "x", *common)
    config.write_text("runs: {neco: {backbone: demo-vit}}\n")
    refused(capsys, "did you mean 'neco'", "train", "--config", config, "--run", "neko", *common)
    refused(capsys, "write KEY=VALUE", "train", "--set", "epochs", *common)
    assert not (tmp_path / "out").exists()


def test_an_unknown_backbone(capsys, tmp_path):
    into = tmp_path / "w.safetensors"
    refused(capsys, "did you mean", "weights", "dinov2-vits15", "--into", into)
    assert not into.exists()


def test_own_photos_train_end_to_end(capsys, tmp_path, photos):
    prepared = tmp_path / "prepared" / "mine"
    assert main(["prepare", "mine", "--archives", str(photos.parent), "--into", str(prepared)]) == 0
    small = [
        "train.steps=1", "train.batch_size=2", "train.workers=0", "train.crops.global_size=16",
        "train.crops.local_size=8", "train.head.hidden=8", "train.head.output=4",
        "train.loss.aligned_size=3", "train.loss.references.count=5",
        "train.loss.sorting.implementation=torch",
    ]  # fmt: skip
    settings = [part for item in small for part in ("--set", item)]
    arguments = ["--backbone", "demo-vit-random", "--data", str(prepared)]
    assert main(["train", *arguments, "--into", str(tmp_path / "run"), *settings]) == 0
    assert (tmp_path / "run" / "backbone.safetensors").exists()
    assert not list((tmp_path / "run").glob("*.partial"))


def test_a_truncated_photo_is_named(capsys, tmp_path, photos):
    broken = photos / "2.jpg"
    broken.write_bytes(broken.read_bytes()[:300])
    into = tmp_path / "prepared" / "mine"
    refused(capsys, "2.jpg", "prepare", "mine", "--archives", photos.parent, "--into", into)
    assert not into.exists()


def test_usage_errors_exit_with_two():
    with pytest.raises(SystemExit) as stopped:
        main(["evaluate", "in-contxt"])
    assert stopped.value.code == 2


def test_features_are_normalised_as_the_backbone_expects(tmp_path, photos, monkeypatch):
    prepared = tmp_path / "prepared" / "mine"
    assert main(["prepare", "mine", "--archives", str(photos.parent), "--into", str(prepared)]) == 0
    arguments = [
        "extract", "--model", "m", "--backbone", "patch-colours-p14", "--data", str(prepared),
        "--split", "train", "--image-size", "28", "--set", "extraction.workers=0",
        "--set", "extraction.dtype=float32",
    ]  # fmt: skip
    assert main([*arguments, "--into", str(tmp_path / "imagenet")]) == 0
    halves = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    monkeypatch.setattr("neco.backbones.load.image_normalisation", lambda name: halves)
    assert main([*arguments, "--into", str(tmp_path / "halves")]) == 0
    first, second = (read_features(tmp_path / name).tokens for name in ("imagenet", "halves"))
    mean, deviation = (np.repeat(part, 4) for part in IMAGENET)  # four cells of each colour
    np.testing.assert_allclose((first * deviation + mean - 0.5) / 0.5, second, atol=1e-4)


@pytest.mark.parametrize(
    ("match", "settings"),
    [
        ("unknown preset 'foo'", ["train.preset=foo"]),
        ("unknown preset", ["train.preset=[1]"]),
        ("close every bracket", ["train.batch_size=[8"]),
        ("write KEY=VALUE", ["=3"]),
        ("write KEY=VALUE", ["train.=3"]),
        ("train", ["train=5"]),
        ("unknown key", ["=".join(("trian.steps", "3"))]),
    ],
)
def test_settings_that_cannot_be_read(capsys, tmp_path, match, settings):
    given = [part for item in settings for part in ("--set", item)]
    arguments = ("--backbone", "demo-vit", "--data", tmp_path, "--into", tmp_path / "run")
    refused(capsys, match, "train", *arguments, *given)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_configuration_that_is_not_utf_8(capsys, tmp_path, encoding):
    config = tmp_path / "c.yaml"
    config.write_bytes("name: Bär\n".encode(encoding))
    common = ("--data", tmp_path, "--into", tmp_path / "out")
    refused(capsys, "c.yaml: line 1 is not UTF-8", "train", "--config", config, *common)
    config.write_bytes(b"\xef\xbb\xbftrain: {batch_sise: 3}\n")
    refused(capsys, "batch_size", "train", "--config", config, *common)
    refused(capsys, "is a directory", "train", "--config", tmp_path, *common)


@pytest.mark.parametrize("option", ["--threads", "--devices", "--nodes"])
@pytest.mark.parametrize("value", ["-1", "0", "two"])
def test_counts_are_one_or_more(capsys, option, value):
    with pytest.raises(SystemExit) as stopped:
        main(["train", "--data", "d", "--into", "r", option, value])
    assert stopped.value.code == 2
    assert "a whole number of 1 or more is wanted" in capsys.readouterr().err


def test_the_folder_one_is_in_can_be_written(capsys, tmp_path, photos, monkeypatch):
    into = tmp_path / "prepared" / "mine"
    into.mkdir(parents=True)
    monkeypatch.chdir(into)
    code, told = run(capsys, "prepare", "mine", "--archives", photos.parent, "--into", ".")
    assert code == 0, told
    assert (into / "index.csv").exists()
    (tmp_path / "f").mkdir()
    monkeypatch.chdir(tmp_path / "f")
    code, told = run(
        capsys, "extract", "--model", "m", "--backbone", "patch-colours-p14", "--data", into,
        "--split", "train", "--image-size", "28", "--set", "extraction.workers=0", "--into", ".",
    )  # fmt: skip
    assert code == 0, told


def test_what_the_system_refuses_is_one_line(capsys, tmp_path, photos):
    (tmp_path / "file").write_text("mine")
    for into in (tmp_path / "file" / "mine", tmp_path / "prepared" / ("x" * 300)):
        code, told = run(capsys, "prepare", "mine", "--archives", photos.parent, "--into", into)
        assert code == 1
        assert len(told.splitlines()) == 1
    assert (tmp_path / "file").read_text() == "mine"


def test_two_commands_into_one_folder(capsys, tmp_path, photos):
    into = tmp_path / "prepared" / "mine"
    with held(into, "neco pack"):
        refused(
            capsys, "is being written by `neco pack`", "prepare", "mine",
            "--archives", photos.parent, "--into", into,
        )  # fmt: skip
    assert not into.exists()


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_goes_away_is_no_error(unbuffered):
    read, write = os.pipe()
    os.close(read)
    command, env = [sys.executable, "-m", "neco", "config"], {**os.environ}
    env["PYTHONUNBUFFERED"] = unbuffered
    run = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, env=env)
    os.close(write)
    assert (run.returncode, run.stderr) == (0, "")


def test_a_bug_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr("neco.config.documents.defaults_document", lambda: {}["bug"])
    with pytest.raises(KeyError, match="bug"):
        main(["config"])


@pytest.mark.parametrize("command", [["report"], ["summary"], ["table", "8"], ["figure", "2"]])
def test_a_folder_of_results_that_is_none(command, tmp_path, monkeypatch, capsys, caplog):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a file").touch()
    assert main([*command, "--metrics", "a file", "--into", "x"]) == 1
    assert (
        "--metrics a file: is a file; name the folder that holds metrics" in capsys.readouterr().err
    )
    main([*command, "--metrics", "a typo", "--into", "x"])
    assert "--metrics a typo: there is no such folder" in caplog.text


def test_a_training_into_a_file_is_refused_before_its_data_are_read(tmp_path, capsys):
    (tmp_path / "file").touch()
    arguments = ["train", "--backbone", "demo-vit", "--data", "nowhere"]
    assert main([*arguments, "--into", str(tmp_path / "file")]) == 1
    assert "file: is a file; name a folder" in capsys.readouterr().err
