import csv
import os

import numpy as np
import pytest

from neco import files
from neco.data import coco, pascal_voc, prepare
from neco.data.dataset import INDEX_COLUMNS, read_dataset
from neco.data.prepare import Summary
from neco.data.prepare import prepare as run
from neco.errors import UserError


@pytest.fixture
def voc(official):
    ids = official.labels([0, 1, 255])
    official.voc({"train": {"a": ids, "b": ids}, "val": {"c": ids}})
    return official.prepared / "pascal-voc"


def voc_run(official, into):
    return run("pascal-voc", official.archives, into, prepared=official.prepared)


def test_the_layout_is_what_the_reader_reads(official, voc):
    summary = voc_run(official, voc)
    dataset = read_dataset(voc, "train")
    assert (dataset.name, len(dataset), len(dataset.classes)) == ("pascal-voc", 2, 21)
    item = dataset.items[0]
    assert item.read_image().size == item.read_mask().shape[::-1] == (24, 16)
    assert summary.folder == voc and "2 train, 1 val images, 21 classes" in str(summary)
    with (voc / "index.csv").open(newline="") as file:
        assert tuple(next(csv.reader(file))) == INDEX_COLUMNS


def test_preparing_twice_gives_the_same_bytes(official, voc):
    def content():
        return {p.relative_to(voc): p.read_bytes() for p in voc.rglob("*") if p.is_file()}

    voc_run(official, voc)
    first = content()
    voc_run(official, voc)
    assert content() == first and official.leftovers() == ["pascal-voc"]


def test_an_empty_target_folder_is_filled(official, voc):
    voc.mkdir(parents=True)
    voc_run(official, voc)
    assert (voc / "index.csv").exists()


def test_a_folder_with_other_things_is_never_replaced(official, voc):
    voc.mkdir(parents=True)
    (voc / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="holds something that is not a prepared dataset"):
        voc_run(official, voc)
    assert (voc / "thesis.tex").read_text() == "years of work"


def test_hidden_files_of_other_tools_do_not_stand_in_the_way(official, voc):
    voc_run(official, voc)
    (voc / ".timestamp").write_text("")
    voc_run(official, voc)
    (voc / ".git").mkdir()
    with pytest.raises(UserError, match="not a prepared dataset"):
        voc_run(official, voc)


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("No space left on device")])
def test_an_interrupt_leaves_everything_as_it_was(official, voc, monkeypatch, error):
    voc_run(official, voc)
    before = (voc / "index.csv").read_bytes()

    def interrupted(*_, **__):
        raise error

    monkeypatch.setattr(prepare, "write_description", interrupted)
    with pytest.raises(type(error) if isinstance(error, OSError) else error):
        voc_run(official, voc)
    assert official.leftovers() == ["pascal-voc"] and (voc / "index.csv").read_bytes() == before


def test_what_a_killed_run_left_is_cleared(official, voc):
    gone = 99_999_999  # no process has this number
    stale = voc.with_name(f".pascal-voc.{files._host()}-{gone}.part")
    stale.mkdir(parents=True)
    (stale / "half.jpg").write_bytes(b"x")
    voc_run(official, voc)
    assert official.leftovers() == ["pascal-voc"]
    assert not (voc / "half.jpg").exists()


def test_a_missing_archive_leaves_nothing(official):
    with pytest.raises(UserError, match=r"VOCtrainval_11-May-2012\.tar: no such archive"):
        voc_run(official, official.prepared / "pascal-voc")
    assert official.leftovers() == []


def test_a_truncated_photograph_is_refused_by_name(official):
    def cut(files):
        files["train2017/x.jpg"] = files["train2017/x.jpg"][:-200]

    official.coco({"train": ["w", "x"]}, (64, 48), cut)
    official.coco({"val": ["y"]})
    into = official.prepared / "coco"
    with pytest.raises(UserError, match=r"train2017\.zip: train2017/x\.jpg: truncated or damaged"):
        run("coco", official.archives, into, prepared=official.prepared)
    assert official.leftovers() == []


def test_several_processes_write_what_one_writes(official, monkeypatch):
    monkeypatch.setattr("neco.data.pool.FEW", 0)
    official.coco({"train": [f"{n:03}" for n in range(70)], "val": ["v"]})
    for name, workers in (("one", 1), ("two", 2)):
        into = official.prepared / name
        run("coco", official.archives, into, prepared=official.prepared, workers=workers)
    one, two = (official.prepared / name for name in ("one", "two"))
    assert (one / "index.csv").read_bytes() == (two / "index.csv").read_bytes()
    for path in one.rglob("*.jpg"):
        assert path.read_bytes() == (two / path.relative_to(one)).read_bytes()


def test_labels_of_coco_must_lie_beside_its_images(official, tmp_path):
    with pytest.raises(UserError, match="refers to images of coco and must lie beside it"):
        run("coco-things", official.archives, tmp_path / "far", prepared=official.prepared)


def test_an_image_archive_without_images_is_refused(official):
    official.coco({"train": ["a"], "val": []})
    with pytest.raises(UserError, match=r"val2017\.zip: holds no val2017/\*\.jpg"):
        run("coco", official.archives, official.prepared / "coco", prepared=official.prepared)


def test_summary_says_what_was_left_out(tmp_path):
    text = str(Summary("x", tmp_path, {"train": 1234}, 0, {"train": 5}, 1.0))
    assert "1,234 train images, unlabelled; left out without labels: 5 train" in text


def test_photographs_are_found_relative_to_a_sibling(official):
    official.coco({"train": ["a"], "val": ["b"]})
    run("coco", official.archives, official.prepared / "coco", prepared=official.prepared)
    found = coco.photographs_of(official.prepared, "val")
    assert {name: image.path for name, image in found.items()} == {
        "b.jpg": "../coco/images/val2017/b.jpg"
    }
    sibling = official.prepared / "coco-things"
    sibling.mkdir()
    assert coco.photograph_size(sibling / found["b.jpg"].path) == (24, 16)


def test_masks_are_not_stretched_over_images(official):
    ids = official.labels([0, 1], size=(10, 8))
    name = "VOCdevkit/VOC2012/JPEGImages/c.jpg"
    official.voc(
        {"train": {"a": np.zeros((16, 24))}, "val": {"c": ids}},
        lambda files: files.update({name: official.jpeg(1)}),
    )
    with pytest.raises(UserError, match=r"c\.png: the mask is 10x8 but its image is 24x16"):
        voc_run(official, official.prepared / "pascal-voc")
    assert pascal_voc.ROOT in name


def test_a_folder_linked_to_another_disk_is_filled_there(official, voc, tmp_path):
    scratch = tmp_path / "scratch" / "voc"
    official.prepared.mkdir()
    voc.symlink_to(scratch)
    for _ in range(2):
        voc_run(official, voc)
        assert voc.is_symlink() and (scratch / "index.csv").exists()
        assert official.leftovers() == ["pascal-voc"]
        assert [path.name for path in scratch.parent.iterdir()] == ["voc"]


def test_others_may_read_what_was_prepared(official, voc):
    before = os.umask(0o022)
    try:
        voc_run(official, voc)
    finally:
        os.umask(before)
    for path in (voc, *voc.rglob("*")):
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644)
