"""The whole command on tiny images: stages are skipped, continued, interrupted, refused."""

import json
import os
import signal

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import neco.fit.fit as fitting
from neco import load, patch_tokens
from neco.cli import main

SMALL = [
    "train.workers=0", "train.crops.global_size=32", "train.crops.local_size=16",
    "train.loss.aligned_size=3", "train.loss.references.count=5", "train.batch_size=4",
    "train.loss.sorting.implementation=torch", "train.precision=32-true",
]  # fmt: skip


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "Fotos von mir ü"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(9):
        blocks = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(blocks).resize((80, 60)).save(folder / f"{number}.jpg")
    return folder


def fit(photos, out, *more, steps=2):
    settings = [part for item in SMALL for part in ("--set", item)]
    length = ["--steps", steps] if steps else []
    arguments = ["fit", "--images", photos, "--backbone", "demo-vit", "--out", out]
    return main([str(part) for part in (*arguments, *length, *settings, *more)])


def last_line(capsys):
    return capsys.readouterr().err.strip().splitlines()[-1]


def times(folder):
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and "tensorboard" not in str(path)
    }


def test_images_to_a_model_and_nothing_twice(capsys, photos, tmp_path):
    out = tmp_path / "mein Modell"
    assert fit(photos, out) == 0
    told = capsys.readouterr()
    assert told.out.strip() == str(out / "model")
    assert "estimate: " in told.err and "preset" in told.err
    assert told.err.index("estimate: ") < told.err.index("% done: train")
    record = json.loads((out / "run" / "training.json").read_text())
    assert (record["backbone"], record["steps"], record["images"]) == ("demo-vit", 2, 9)
    card = (out / "model" / "README.md").read_text()
    assert record["data_digest"] in card and "| images seen | 8 |" in card
    exported = load_file(out / "model" / "model.safetensors")
    trained = load_file(out / "run" / "backbone.safetensors")
    assert exported.keys() == trained.keys()
    assert all(torch.equal(exported[name], trained[name]) for name in trained)
    tokens = [patch_tokens(load(place), photos / "0.jpg") for place in (out, out / "model")]
    torch.testing.assert_close(*tokens)
    assert not torch.equal(tokens[0], patch_tokens(load("demo-vit"), photos / "0.jpg"))
    before = times(out)
    assert fit(photos, out) == 0
    assert times(out) == before


def test_other_images_are_prepared_and_trained_anew(capsys, photos, tmp_path):
    out = tmp_path / "out"
    assert fit(photos, out) == 0
    (photos / "8.jpg").unlink()
    assert fit(photos, out) == 0
    assert json.loads((out / "run" / "training.json").read_text())["images"] == 8
    assert "| training images | 8 |" in (out / "model" / "README.md").read_text()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--set", "train.nope=1"], "unknown key 'nope'"),
        (["--set", "train.drop_path=2"], "drop_path"),
        (["--set", "train.batch_size=100"], "more than the 9 images"),
        (["--set", "train.loss.references.gradient=true", "--set", "train.accumulate=2"],
         "accumulate to 1"),
        (["--set", "train.trainable_blocks=99"], "only 6 blocks"),
        (["--set", "train.loss.references.count=1000"], "as many patches to draw from"),
        (["--set", "fit.least_images=10"], "9 images to train on"),
        (["--backbone", "nope"], "unknown backbone 'nope'"),
        (["--backbone", "resnet18"], "but not trained"),
        (["--weights", "nowhere.pth"], "no such weights"),
        (["--weights", "0.jpg"], "no file of weights"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_before_anything_is_written(
    capsys, photos, tmp_path, monkeypatch, given, told
):
    monkeypatch.chdir(photos)
    monkeypatch.setattr(fitting, "prepare_folder", lambda *_, **__: pytest.fail("prepares"))
    before = sorted(tmp_path.rglob("*"))
    assert fit(photos, tmp_path / "out", *given) == 1
    assert told in last_line(capsys)
    assert sorted(tmp_path.rglob("*")) == before


def test_masks_beside_the_images_prepare_nothing_anew(photos, tmp_path):
    root, out = tmp_path / "labelled", tmp_path / "out"
    (root / "masks").mkdir(parents=True)
    photos.rename(root / "images")
    for number in range(9):
        grey = np.arange(48, dtype=np.uint8).reshape(6, 8) % 2
        Image.fromarray(grey).resize((80, 60), 0).save(root / "masks" / f"{number}.png")
    assert fit(root, out) == 0
    before = times(out)
    mask = root / "masks" / "3.png"
    Image.open(mask).rotate(180).save(mask)
    assert fit(root, out) == 0
    assert times(out) == before


def test_an_index_that_lost_lines_is_made_again(photos, tmp_path):
    out = tmp_path / "out"
    assert fit(photos, out) == 0
    index = out / "dataset" / "index.csv"
    whole = index.read_text()
    index.write_text("".join(whole.splitlines(keepends=True)[:-1]))
    assert fit(photos, out) == 0
    assert index.read_text() == whole


@pytest.mark.parametrize("stage", ["prepare_folder", "fetch_and_convert", "settle", "export"])
def test_an_interrupt_in_any_stage_says_how_to_go_on(capsys, photos, tmp_path, monkeypatch, stage):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(fitting, stage, interrupted)
        assert fit(photos, tmp_path / "out") == 130
    assert last_line(capsys).endswith("the same command continues")
    assert fit(photos, tmp_path / "out") == 0


def test_a_signal_keeps_its_number_in_any_stage(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "prepare_folder", lambda *_, **__: os.kill(os.getpid(), 15))
    assert fit(photos, tmp_path / "out") == 128 + signal.SIGTERM


def test_a_signal_in_the_training_is_continued(capsys, photos, tmp_path, monkeypatch):
    from neco.training.loop import Training

    step = Training.step

    def step_and_signal(self, views, number, *more):
        if number == 3 and self.steps == 6:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, views, number, *more)

    out = tmp_path / "out"
    monkeypatch.setattr(Training, "step", step_and_signal)
    assert fit(photos, out, steps=6) == 130
    assert "the same command continues" in last_line(capsys)
    assert not (out / "model").exists()
    monkeypatch.setattr(Training, "step", step)
    assert fit(photos, out, steps=6) == 0
    assert json.loads((out / "run" / "training.json").read_text())["starts"] == 2


@pytest.mark.parametrize(("step_of", "number"), [(0, signal.SIGINT), (2, signal.SIGTERM)])
def test_a_signal_in_any_step_of_the_trial(capsys, photos, tmp_path, monkeypatch, step_of, number):
    from neco.training.loop import Training

    step = Training.step

    def step_and_signal(self, views, at, *more):
        if at == step_of:  # of three
            os.kill(os.getpid(), number)
        return step(self, views, at, *more)

    with monkeypatch.context() as patched:
        patched.setattr(Training, "step", step_and_signal)
        assert fit(photos, tmp_path / "out") == 128 + number
    assert "interrupted at `measure`; the same command continues" in last_line(capsys)
    assert not (tmp_path / "out" / ".trial").exists()
    assert not (tmp_path / "out" / "run").exists()


def test_a_dry_run_writes_nothing(capsys, photos, tmp_path):
    assert fit(photos, tmp_path / "out", "--dry-run", "--time", "10m", steps=None) == 0
    told = capsys.readouterr().err
    assert "as many as fit into" in told and "estimate: " in told
    assert not (tmp_path / "out").exists()


def test_masks_are_no_images(capsys, photos, tmp_path):
    for part in ("images", "masks"):
        (photos / part).mkdir()
    for photo in sorted(photos.glob("*.jpg")):
        Image.new("L", (80, 60), 1).save(photos / "masks" / f"{photo.stem}.png")
        photo.rename(photos / "images" / photo.name)
    assert fit(photos, tmp_path / "out", "--dry-run", "--set", "fit.least_images=4") == 0
    row = next(line for line in capsys.readouterr().err.splitlines() if "│ images  " in line)
    assert int(row.split("│")[2]) == 8  # every fifth of nine is held out, so one


def test_what_is_refused_is_one_line_and_writes_nothing(capsys, photos, tmp_path):
    out = tmp_path / "out"
    (tmp_path / "empty").mkdir()
    (tmp_path / "one").mkdir()
    (photos / "0.jpg").rename(tmp_path / "one" / "0.jpg")
    for folder, words in (
        (tmp_path / "nowhere", "no such folder"),
        (tmp_path / "empty", "holds no images"),
    ):
        assert fit(folder, out) == 1
        assert words in last_line(capsys)
    for more, words in (
        (("--backbone", "resnet18"), "no sequence of blocks"),
        (("--backbone", "demo-vitt"), "did you mean"),
        (("--set", "train.batch_sise=3"), "did you mean 'batch_size'"),
        (("--set", "fit.epoch=3"), "did you mean 'epochs'"),
        (("--set", "extraction.workers=3"), "fit takes train.KEY=VALUE"),
    ):
        assert fit(photos, out, *more) == 1
        assert words in last_line(capsys)
    assert fit(tmp_path / "one", out) == 1
    assert "1 image to train on" in last_line(capsys)
    for photo in photos.iterdir():
        photo.write_bytes(photo.read_bytes()[:200])
    assert fit(photos, out) == 1
    assert "8 of 8 files cannot be used" in last_line(capsys)
    assert not (out / "run").exists()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--set", "train=3"], "train.KEY=VALUE"),
        (["--weights", "nowhere.pth"], "no such weights"),
        (["--weights", "page.pth"], "a web page"),
        (["--images", "nowhere"], "--images nowhere: there is no such folder"),
        (["--images", "page.pth"], "--images page.pth: is a file; name the folder"),
        (["--set", "train.crops.global_size=100000"], "lower train.crops or train.batch_size"),
        (["--out", "page.pth"], "--out page.pth: is a file; name a folder"),
    ],
)
def test_what_cannot_be_fitted_is_told_before_anything_is_written(
    capsys, photos, tmp_path, monkeypatch, given, told
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "page.pth").write_text("<html><title>Log in</title>")
    assert fit(photos, tmp_path / "out", *given) == 1
    assert told in last_line(capsys)
    assert not (tmp_path / "out").exists()


def test_a_place_inside_of_the_images_is_refused(capsys, photos):
    for out in (photos, photos / "out"):
        before = sorted(photos.iterdir())
        assert fit(photos, out) == 1
        assert "--out" in last_line(capsys)
        assert sorted(photos.iterdir()) == before


@pytest.mark.parametrize("text", ["", "10", "m", "0s", "ten minutes", "1h-3m"])
def test_times_that_are_none(text):
    with pytest.raises(SystemExit) as stopped:
        main(["fit", "--images", "i", "--backbone", "b", "--out", "o", "--time", text])
    assert stopped.value.code == 2


def test_times():
    from neco.cli.own import seconds
    from neco.fit.show import duration

    assert [seconds(text) for text in ("90s", "10m", "1h30m", "0.5h")] == [90, 600, 5400, 1800]
    assert [duration(value) for value in (7.4, 370, 5400)] == ["7 s", "6 min 10 s", "1 h 30 min"]
