import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as run_length

from neco.data.coco_stuff import Region, merged_labels
from neco.data.prepare import prepare
from neco.errors import UserError


def run(official):
    for dataset in ("coco", "coco-stuff"):
        summary = prepare(
            dataset, official.archives, official.prepared / dataset, prepared=official.prepared
        )
    return summary


def test_categories_merge_and_other_is_ignored(official, stuff):
    ids = official.labels([0, 92, 105, 124, 157, 183])
    official.coco({"train": ["a"], "val": ["b", "unlabelled"]})
    official.stuff({"train": {"a": ids}, "val": {"b": ids[::-1]}}, stuff)
    summary = run(official)
    assert official.description("coco-stuff")["classes"] == ["plant", "sky", "textile"]
    expected = {0: 255, 92: 2, 105: 0, 124: 0, 157: 1, 183: 255}
    written = official.written("coco-stuff")
    np.testing.assert_array_equal(written["train", "a"][1], np.vectorize(expected.get)(ids))
    np.testing.assert_array_equal(written["val", "b"][1], np.vectorize(expected.get)(ids[::-1]))
    assert summary.left_out == {"train": 0, "val": 1}


def test_a_mask_of_another_size_is_refused(official, stuff):
    official.coco({"train": ["a"], "val": ["b"]})
    ids = official.labels([92, 105])
    official.stuff({"train": {"a": ids[:10]}, "val": {"b": ids}}, stuff)
    with pytest.raises(UserError, match=r"a\.jpg: a mask of 24x10 for an image of 24x16"):
        run(official)
    assert official.leftovers() == ["coco"]


def test_an_unknown_category_is_refused(official, stuff):
    official.coco({"train": ["a"], "val": ["b"]})
    ids = official.labels([92, 200])
    official.stuff({"train": {"a": ids}, "val": {"b": ids}}, stuff)
    with pytest.raises(UserError, match=r"a\.jpg has a region of category 200"):
        run(official)


def test_broken_json_is_refused_by_name(official, stuff):
    official.coco({"train": ["a"], "val": ["b"]})
    ids = official.labels([92])
    name = "annotations/stuff_val2017.json"

    def cut(files):
        files[name] = files[name][:-20]

    official.stuff({"train": {"a": ids}, "val": {"b": ids}}, stuff, cut)
    with pytest.raises(UserError, match=r"stuff_val2017\.json: not readable JSON"):
        run(official)
    assert official.leftovers() == ["coco"]


def test_json_of_another_kind_is_refused(official, stuff):
    official.coco({"train": ["a"], "val": ["b"]})
    content = json.dumps({"images": [{"id": 1}], "annotations": [], "categories": stuff}).encode()
    ids = official.labels([92])
    official.stuff(
        {"train": {"a": ids}, "val": {"b": ids}},
        stuff,
        lambda files: files.update({"annotations/stuff_train2017.json": content}),
    )
    with pytest.raises(UserError, match=r"stuff_train2017\.json: not COCO annotations"):
        run(official)


def counts_of(inside):
    """Return run lengths down the columns, beginning with zeros: COCO's uncompressed form."""
    counts, current = [0], 0
    for value in inside.T.ravel():
        if value != current:
            counts.append(0)
            current = value
        counts[-1] += 1
    return counts


@given(arrays(np.uint8, (5, 4), elements=st.integers(0, 3)), st.booleans())
def test_merging_equals_the_drawn_regions(ids, compressed):
    regions = []
    for category in range(1, 4):
        inside = ids == category
        if compressed:
            encoded = run_length.encode(np.asfortranarray(inside, dtype=np.uint8))
        else:
            encoded = {"counts": counts_of(inside), "size": [5, 4]}
        regions.append(Region(255 if category == 3 else category - 1, encoded))
    expected = np.select([ids == 1, ids == 2], [0, 1], 255)
    np.testing.assert_array_equal(merged_labels(regions, (4, 5), "x"), expected)


def test_a_region_without_counts_is_refused():
    with pytest.raises(UserError, match=r"x\.jpg: not a run-length mask"):
        merged_labels([Region(0, {"size": [5, 4]})], (4, 5), "x.jpg")
