import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neco.data.coco_things import merged_labels
from neco.data.prepare import prepare
from neco.errors import UserError


def run(official, *datasets):
    for dataset in datasets:
        summary = prepare(
            dataset, official.archives, official.prepared / dataset, prepared=official.prepared
        )
    return summary


def test_categories_merge_into_sorted_supercategories(official, things):
    ids = official.labels([0, 1, 3, 17, 18, 187])
    official.coco({"train": ["a", "unlabelled"], "val": ["b"]})
    official.panoptic({"train": {"a": ids}, "val": {"b": ids.T.reshape(ids.shape)}}, things)
    summary = run(official, "coco", "coco-things")
    assert official.description("coco-things")["classes"] == ["animal", "person", "vehicle"]
    expected = {0: 255, 1: 1, 3: 2, 17: 0, 18: 0, 187: 255}
    image, mask = official.written("coco-things")["train", "a"]
    np.testing.assert_array_equal(mask, np.vectorize(expected.get)(ids))
    assert image.resolve() == (official.prepared / "coco/images/train2017/a.jpg").resolve()
    assert summary.left_out == {"train": 1, "val": 0} and "left out" in str(summary)


def test_images_without_any_thing_are_counted(official, things):
    official.coco({"train": ["a", "c"], "val": ["b"]})
    sky, people = np.full((16, 24), 187), official.labels([1, 187])
    official.panoptic({"train": {"a": sky, "c": people}, "val": {"b": people}}, things)
    run(official, "coco", "coco-things")
    assert official.description("coco-things")["notes"]["all_pixels_ignored"] == {"train": 1}


def test_needs_the_prepared_images(official, things):
    official.panoptic({"train": {}, "val": {}}, things)
    with pytest.raises(UserError, match=r"prepared/coco: the COCO images are not prepared"):
        run(official, "coco-things")


def test_an_annotation_of_a_missing_image_is_refused(official, things):
    official.coco({"train": ["a"], "val": ["b"]})
    ids = official.labels([1])
    official.panoptic({"train": {"a": ids}, "val": {"c": ids}}, things)
    with pytest.raises(UserError, match=r"panoptic_val2017\.json: names c\.jpg"):
        run(official, "coco", "coco-things")
    assert official.leftovers() == ["coco"]


def test_a_mask_of_another_size_is_refused(official, things):
    official.coco({"train": ["a"], "val": ["b"]})
    ids = official.labels([1, 3])
    official.panoptic({"train": {"a": ids}, "val": {"b": ids[:, :-2]}}, things)
    with pytest.raises(UserError, match=r"b\.png: the mask is 22x16 but its image is 24x16"):
        run(official, "coco", "coco-things")


@given(st.lists(st.integers(1, 2**24 - 1), min_size=1, max_size=6, unique=True), st.data())
def test_merging_equals_a_loop_over_pixels(ids, data):
    label = {segment: data.draw(st.sampled_from([0, 1, 5, 255])) for segment in ids}
    segments = data.draw(st.lists(st.sampled_from([0, *ids]), min_size=6, max_size=6))
    colours = [[s % 256, s // 256 % 256, s // 65536] for s in segments]
    found = merged_labels(np.array(colours, dtype=np.uint8).reshape(2, 3, 3), label, "x")
    assert found.ravel().tolist() == [label.get(s, 255) for s in segments]


@given(st.integers(1, 2**24 - 1), st.integers(1, 2**24 - 1))
def test_a_segment_that_the_json_lacks_is_refused(known, segment):
    colour = np.array([[[segment % 256, segment // 256 % 256, segment // 65536]]], dtype=np.uint8)
    if segment == known:
        assert merged_labels(colour, {known: 4}, "x.png") == 4
    else:
        with pytest.raises(UserError, match=rf"x\.png: impossible segment id {segment},"):
            merged_labels(colour, {known: 4}, "x.png")
