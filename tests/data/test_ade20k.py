import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neco.data.ade20k import without_other
from neco.data.prepare import prepare
from neco.errors import UserError


def run(official):
    return prepare(
        "ade20k", official.archives, official.prepared / "ade20k", prepared=official.prepared
    )


def test_other_is_ignored_and_classes_start_at_zero(official):
    ids = official.labels(list(range(151)))
    official.ade20k({"train": {"ADE_train_1": ids}, "val": {"ADE_val_1": ids[::-1]}})
    summary = run(official)
    found = official.written("ade20k")["train", "ADE_train_1"][1]
    assert {(int(a), int(b)) for a, b in zip(ids.ravel(), found.ravel(), strict=True)} == {
        (0, 255),
        *((i, i - 1) for i in range(1, 151)),
    }
    classes = official.description("ade20k")["classes"]
    assert len(classes) == summary.classes == 150
    assert (classes[0], classes[12], classes[149]) == ("wall", "person", "flag")


@given(st.integers(0, 255))
def test_only_the_archives_ids_become_classes(value):
    found = int(without_other(np.array([[value]], dtype=np.uint8))[0, 0])
    assert found == (255 if value == 0 else value - 1)
    assert (found <= 149 or found == 255) == (value <= 150)


def test_an_id_past_255_never_becomes_ignored():
    assert without_other(np.array([[256, 257]], dtype=np.int32)).tolist() == [[256, 256]]


def test_an_impossible_label_is_refused_with_the_file(official):
    ids = official.labels([0, 151])
    official.ade20k({"train": {"ADE_train_1": ids}, "val": {"ADE_val_1": ids}})
    with pytest.raises(UserError, match=r"ADE_train_1\.png: impossible label 150"):
        run(official)
    assert official.leftovers() == []


def test_images_without_annotation_are_left_out_and_counted(official):
    ids = official.labels([0, 1, 2])
    image = "ADEChallengeData2016/images/training/ADE_train_2.jpg"
    official.ade20k(
        {"train": {"ADE_train_1": ids}, "val": {"ADE_val_1": ids}},
        lambda files: files.update({image: official.jpeg()}),
    )
    summary = run(official)
    assert summary.images == {"train": 1, "val": 1} and summary.left_out == {"train": 1, "val": 0}
