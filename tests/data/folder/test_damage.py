"""Damage to any file of a labelled folder: it is prepared, or one line says what is wrong."""

import json

import numpy as np
import pytest

from neco.data.folder.look import look
from neco.errors import UserError

FILES = (
    "images/000.jpg",
    "masks/000.png",
    "masks/003.npy",
    "classes.txt",
    "train.txt",
    "dataset.yaml",
    "more/annotations.json",
)
SETTINGS = """\
images: images/{id}.*
masks: masks/{id}.*
splits: {train: {list: train.txt}, val: {list: val.txt}}
classes: [sky, wall, door]
ignore: [255]
"""


def damaged(data, rng):
    """Return data with a few bytes changed, cut, doubled or replaced by what parsers dislike."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        at = int(rng.integers(0, len(data) + 1))
        kind = rng.integers(0, 5)
        if kind == 0 and data:
            data[at % len(data)] = int(rng.integers(0, 256))
        elif kind == 1:
            del data[at:]
        elif kind == 2:
            data[at:at] = data[:at]
        elif kind == 3:
            data[at:at] = rng.choice(
                [b"\0", b"\xff\xfe", b"{", b"../", b"\n", b": ", b"NaN", b"-1"]
            )
        else:
            del data[at : at + int(rng.integers(1, 9))]
    return bytes(data)


@pytest.mark.parametrize("name", FILES)
def test_damage_is_never_a_traceback(mine, name):
    mine.pairs(3)
    mine.photograph("images/003.jpg")
    mine.mask("masks/003.npy", mine.ids())
    mine.text("classes.txt", "sky\nwall\ndoor\n")
    mine.text("train.txt", "000\n001.jpg\n")
    mine.text("val.txt", "002\n003\n")
    mine.text("dataset.yaml", SETTINGS if name == "dataset.yaml" else "skip: 0\n")
    if name.endswith(".json"):
        content = {
            "images": [{"id": 1, "file_name": "000.jpg", "width": 40, "height": 32}],
            "annotations": [
                {"image_id": 1, "category_id": 2, "segmentation": [[1, 1, 9, 1, 9, 9]]},
                {
                    "image_id": 1,
                    "category_id": 2,
                    "segmentation": {"size": [32, 40], "counts": [9]},
                },
            ],
            "categories": [{"id": 2, "name": "leaf"}],
        }
        mine.text(name, json.dumps(content))
        mine.text("dataset.yaml", "images: images/{id}.jpg\nannotations: more/annotations.json\n")
    whole = mine.path(name).read_bytes()
    refused = 0
    for seed in range(25):
        mine.path(name).write_bytes(damaged(whole, np.random.default_rng([seed, len(name)])))
        for step in (mine.prepare, lambda: look(mine.root)):
            try:
                step()
            except UserError as error:
                refused += 1
                assert "\n" not in str(error) and str(mine.root) in str(error)
    assert refused
