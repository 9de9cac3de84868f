import numpy as np
import pytest

from neco.data.pascal_context import FREQUENT, class_of_category
from neco.data.prepare import prepare
from neco.errors import UserError

# Categories of the 459 whose class is known from the authors' list of 59.
KNOWN = {2: "aeroplane", 9: "bag", 284: "person", 360: "sky", 397: "table", 458: "wood"}


def run(official):
    return prepare(
        "pascal-context",
        official.archives,
        official.prepared / "pascal-context",
        prepared=official.prepared,
    )


def test_frequent_categories_keep_a_class_and_the_rest_is_background(official):
    ids = official.labels([0, 1, 459, *KNOWN])
    official.context({"train": {"2008_000002": ids}, "val": {"2008_000003": ids[::-1]}})
    summary = run(official)
    description = official.description("pascal-context")
    classes = description["classes"]
    assert summary.classes == len(classes) == 60 and description["background"] is True
    found = official.written("pascal-context")["train", "2008_000002"][1]
    names = {int(i): classes[c] for i, c in zip(ids.ravel(), found.ravel(), strict=True)}
    assert names == {0: "background", 1: "background", 459: "background", **KNOWN}


def test_every_frequent_category_has_a_class_of_its_own():
    table = class_of_category()
    assert sorted(table[list(FREQUENT)].tolist()) == list(range(1, 60))
    assert np.count_nonzero(table) == 59


def test_images_without_label_map_are_left_out(official):
    ids = official.labels([0, 2])
    truth = {"train": {"a": ids, "b": ids}, "val": {"c": ids}}
    official.context(truth, lambda files: files.pop("trainval/b.mat"))
    assert run(official).left_out == {"train": 1, "val": 0}


def test_an_impossible_category_is_refused(official):
    ids = official.labels([0, 460])
    official.context({"train": {"a": ids}, "val": {"b": ids}})
    with pytest.raises(UserError, match=r"trainval\.tar\.gz: a\.mat: impossible label 460"):
        run(official)
    assert official.leftovers() == []
