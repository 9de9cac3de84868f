import numpy as np
import pytest

from neco.data.prepare import prepare
from neco.errors import UserError


@pytest.fixture
def truth(official):
    ids = [*range(21), 255]
    return {
        "train": {f"2007_00000{n}": official.labels(ids, n) for n in range(2)},
        "val": {"2007_000009": official.labels(ids, 9)},
    }


def run(official):
    return prepare(
        "pascal-voc",
        official.archives,
        official.prepared / "pascal-voc",
        prepared=official.prepared,
    )


def test_masks_and_images_are_those_of_the_archive(official, truth):
    images = {}
    official.voc(truth, lambda files: images.update(files))
    summary = run(official)
    written = official.written("pascal-voc")
    assert {key: written[key][1].tolist() for key in written} == {
        (split, name): ids.tolist() for split, masks in truth.items() for name, ids in masks.items()
    }
    for (_, name), (image, _) in written.items():
        assert image.read_bytes() == images[f"VOCdevkit/VOC2012/JPEGImages/{name}.jpg"]
    assert summary.images == {"train": 2, "val": 1} and summary.classes == 21
    description = official.description("pascal-voc")
    assert description["classes"][15] == "person" and description["background"] is True
    assert "benchmark.tgz" in description["notes"]["trainaug"]


def test_trainaug_is_sbd_plus_train_minus_val_and_prefers_vocs_masks(official, truth):
    ids = list(range(21))
    further = official.labels(ids, 50)
    photographs = {"VOCdevkit/VOC2012/JPEGImages/2008_000050.jpg": official.jpeg(50)}
    official.voc(truth, lambda files: files.update(photographs))
    official.sbd(
        {
            "train": {"2007_000000": official.labels(ids, 60), "2008_000050": further},
            "val": {"2007_000009": official.labels(ids, 61)},
        }
    )
    run(official)
    written = official.written("pascal-voc")
    augmented = {name: mask for (split, name), (_, mask) in written.items() if split == "trainaug"}
    assert set(augmented) == {"2007_000000", "2007_000001", "2008_000050"}
    np.testing.assert_array_equal(augmented["2007_000000"], truth["train"]["2007_000000"])
    np.testing.assert_array_equal(augmented["2008_000050"], further)


def test_a_list_that_names_a_missing_image_is_refused_by_name(official, truth):
    official.voc(truth, lambda files: files.pop("VOCdevkit/VOC2012/JPEGImages/2007_000001.jpg"))
    with pytest.raises(UserError, match=r"split 'train' names 2007_000001.*fetch it again"):
        run(official)
    assert official.leftovers() == []


def test_a_list_of_sbd_that_names_a_missing_mask_is_refused(official, truth):
    official.voc(truth)
    ids = official.labels([0, 1])
    official.sbd(
        {"train": {"2008_000050": ids}, "val": {}},
        lambda files: files.pop("benchmark_RELEASE/dataset/cls/2008_000050.mat"),
    )
    with pytest.raises(UserError, match=r"benchmark\.tgz.*2008_000050"):
        run(official)


def test_a_broken_matlab_file_is_refused_by_name(official, truth):
    official.voc(
        truth,
        lambda files: files.update({"VOCdevkit/VOC2012/JPEGImages/x.jpg": official.jpeg()}),
    )
    official.sbd(
        {"train": {"x": official.labels([0, 1])}, "val": {}},
        lambda files: files.update({"benchmark_RELEASE/dataset/cls/x.mat": b"no matlab file"}),
    )
    with pytest.raises(UserError, match=r"x\.mat: no matrix GTcls\.Segmentation"):
        run(official)


def test_an_impossible_label_is_refused_with_the_file(official, truth):
    truth["val"]["2007_000009"][3, 5] = 21
    official.voc(truth)
    with pytest.raises(UserError, match=r"2007_000009\.png: impossible label 21;.*0 to 20"):
        run(official)
    assert official.leftovers() == []
