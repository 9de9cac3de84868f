"""What `--data` can name: folders are prepared once, and only what they allow is asked of them."""

import os
from pathlib import Path

import pytest
from PIL import Image

from neco.compare.folders import datasets, wanted
from neco.config.compare import Compare
from neco.errors import UserError
from tests.compare.conftest import write_photographs

ALL = Compare()


def data(folder: Path, into: Path, settings: Compare = ALL, **splits: str):
    return datasets([folder], into, settings, splits, None)[0]


def test_a_folder_is_prepared_once_and_anew_when_it_changes(tmp_path):
    folder, into = write_photographs(tmp_path / "photos", count=10), tmp_path / "out" / "data"
    first = data(folder, into)
    assert (len(first.train), len(first.val), first.labelled) == (8, 2, True)
    stamp = (first.val.folder / "index.csv").stat().st_mtime_ns
    assert (data(folder, into).val.folder / "index.csv").stat().st_mtime_ns == stamp
    image = folder / "images" / "00.png"
    Image.open(image).rotate(180).save(image)
    os.utime(image, ns=(1, 1))
    again = data(folder, into)
    assert (again.val.folder / "index.csv").stat().st_mtime_ns != stamp
    assert again.train.digest() != first.train.digest() or again.val.digest() != first.val.digest()


def test_masks_count_and_what_is_passed_over_does_not(tmp_path):
    folder, into = write_photographs(tmp_path / "photos", count=10), tmp_path / "out" / "data"
    index = data(folder, into).val.folder / "index.csv"
    stamp = index.stat().st_mtime_ns
    (folder / ".DS_Store").write_bytes(b"x")
    (folder / "images" / "Thumbs.db").write_bytes(b"x")
    data(folder, into)
    assert index.stat().st_mtime_ns == stamp
    mask = next((folder / "masks").iterdir())
    Image.open(mask).rotate(180).save(mask)
    data(folder, into)
    assert index.stat().st_mtime_ns != stamp


def test_an_index_that_lost_lines_is_made_again(tmp_path):
    folder, into = write_photographs(tmp_path / "photos", count=10), tmp_path / "out" / "data"
    index = data(folder, into).val.folder / "index.csv"
    whole = index.read_text()
    index.write_text("".join(whole.splitlines(keepends=True)[:-1]))
    assert len(data(folder, into).val) == 2
    assert index.read_text() == whole


def test_a_prepared_dataset_is_taken_as_it_is(tmp_path):
    folder, into = write_photographs(tmp_path / "photos", count=10), tmp_path / "out" / "data"
    prepared = data(folder, into).val.folder
    again = data(prepared, tmp_path / "elsewhere")
    assert again.val.folder == prepared and not (tmp_path / "elsewhere").exists()
    only = data(prepared, into, val="train")
    assert (only.val.split, only.train) == ("train", None)


def test_what_can_be_asked(tmp_path):
    labelled = data(write_photographs(tmp_path / "a", count=10), tmp_path / "data")
    assert set(wanted(ALL, labelled)[0]) | set(wanted(ALL, labelled)[1]) == set(ALL.protocols)
    assert "in-context" in wanted(ALL, labelled)[0]
    bare = data(write_photographs(tmp_path / "b", count=4, masks=False), tmp_path / "data")
    assert wanted(ALL, bare)[0] == ["consistency"]
    single = data(write_photographs(tmp_path / "c", count=1, masks=False), tmp_path / "data")
    protocols, reasons = wanted(ALL, single)
    assert protocols == [] and "there is one" in reasons["consistency"]


def test_some_images_are_the_same_ones_every_time(tmp_path):
    folder, into = write_photographs(tmp_path / "photos", count=20), tmp_path / "data"
    few = Compare(train_images=6, val_images=2)
    first, again = data(folder, into, few), data(folder, into, few)
    assert (len(first.train), len(first.val)) == (6, 2)
    assert first.train.digest() == again.train.digest()
    assert any("6 of 16 images" in line for line in first.said)
    whole = {item.id for item in data(folder, into).train.items}
    assert {item.id for item in first.train.items} < whole


def test_two_folders_of_one_name_stay_apart(tmp_path):
    one = write_photographs(tmp_path / "x" / "photos", count=5)
    other = write_photographs(tmp_path / "y" / "photos", count=6)
    both = datasets([one, other], tmp_path / "data", ALL, {}, None)
    assert [part.name for part in both] == ["photos", "photos (2)"]
    assert both[0].val.folder != both[1].val.folder


def test_results_inside_of_the_photographs_are_refused(tmp_path):
    folder = write_photographs(tmp_path / "photos", count=3)
    with pytest.raises(UserError, match="name another --out"):
        data(folder, folder / "out" / "data")
