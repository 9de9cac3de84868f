import numpy as np
import pytest

from neco.data.coco_stuff_164k import class_of_pixel
from neco.data.prepare import prepare
from neco.errors import UserError


def run(official):
    for dataset in ("coco", "coco-stuff-164k"):
        summary = prepare(
            dataset, official.archives, official.prepared / dataset, prepared=official.prepared
        )
    return summary


def test_pixels_are_coco_ids_less_one_without_the_dropped_ones(official):
    # COCO ids: person 1, bicycle 2, stop sign 13, toothbrush 90, banner 92, wood 182
    names = {0: "person", 1: "bicycle", 12: "stop sign", 89: "toothbrush", 91: "banner"}
    names[181] = "wood"
    ids = official.labels([*names, 255])
    official.coco({"train": ["a"], "val": ["b"]})
    official.stuff_maps({"train": {"a": ids}, "val": {"b": ids}})
    summary = run(official)
    classes = official.description("coco-stuff-164k")["classes"]
    assert summary.classes == len(classes) == 171
    found = official.written("coco-stuff-164k")["train", "a"][1]
    seen = {int(p): int(c) for p, c in zip(ids.ravel(), found.ravel(), strict=True)}
    assert seen.pop(255) == 255
    assert {pixel: classes[label] for pixel, label in seen.items()} == names


def test_classes_are_numbered_consecutively():
    table = class_of_pixel()
    kept = table[table < 171]
    np.testing.assert_array_equal(kept, np.arange(171))


@pytest.mark.parametrize("pixel", [11, 90, 182, 254])
def test_a_dropped_or_impossible_value_is_refused(official, pixel):
    official.coco({"train": ["a"], "val": ["b"]})
    ids = official.labels([0, pixel])
    official.stuff_maps({"train": {"a": ids}, "val": {"b": ids}})
    with pytest.raises(UserError, match=r"train2017/a\.png: impossible label"):
        run(official)
    assert official.leftovers() == ["coco"]
