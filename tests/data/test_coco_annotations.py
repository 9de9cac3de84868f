import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neco.data import coco_annotations
from neco.data.archives import members_of
from neco.data.coco_annotations import read_annotations
from neco.errors import UserError

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
ENTRIES = st.lists(
    st.dictionaries(st.text(max_size=4), ANYTHING, max_size=3), min_size=1, max_size=4
)


def write(official, text):
    data = text if isinstance(text, bytes) else text.encode()
    return members_of(official.write_zip(official.archives / "x.zip", {"a.json": data}))["a.json"]


@given(
    entries=ENTRIES,
    info=ANYTHING,
    block=st.integers(1, 50),
    indent=st.sampled_from([None, 1]),
    escape=st.booleans(),
    order=st.permutations(["info", "images", "categories", "annotations", "year", "empty"]),
)
def test_reading_in_pieces_equals_reading_at_once(
    tmp_path_factory, entries, info, block, indent, escape, order
):
    from zipfile import ZipFile

    content = {
        "info": {"any": info},
        "images": [{"id": 7, "file_name": "ü.jpg"}],
        "categories": [{"id": 1, "supercategory": "ñ"}],
        "annotations": entries,
        "year": 2017,
        "empty": [],
    }
    text = json.dumps({key: content[key] for key in order}, indent=indent, ensure_ascii=escape)
    path = tmp_path_factory.mktemp("json") / "x.zip"
    with ZipFile(path, "w") as archive:
        archive.writestr("a.json", text.encode("utf-8", "surrogatepass"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coco_annotations, "BLOCK", block)
        found = read_annotations(members_of(path)["a.json"], lambda entry: entry)
    assert found.entries == entries
    assert found.file_names == {7: "ü.jpg"}
    assert found.categories == content["categories"]


WHOLE = '{"images": [{"id": 1, "file_name": "a"}], "categories": [{"id": 2}], "annotations": [{}]}'


@pytest.mark.parametrize("length", [0, 1, 10, 13, 20, 40, 70, len(WHOLE) - 1])
def test_every_truncation_is_one_clear_line(official, length):
    with pytest.raises(UserError, match=r"x\.zip: a\.json: .*; delete it and fetch it again"):
        read_annotations(write(official, WHOLE[:length]), lambda entry: entry)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2]", "not readable JSON"),
        ("no json", "not readable JSON"),
        (b'{"images": [{"id": 1, "file_name": "\xff"}]}', "truncated or damaged"),
        ('{"images": [{"id": 1, "file_name": "a"}], "annotations": [{}]}', "holds no categories"),
        ('{"images": [{"id": 1}]}', "not COCO annotations .*file_name"),
    ],
)
def test_other_content_is_one_clear_line(official, text, message):
    with pytest.raises(UserError, match=message):
        read_annotations(write(official, text), lambda entry: entry)


def test_a_broken_entry_does_not_swallow_the_whole_file(official, monkeypatch):
    monkeypatch.setattr(coco_annotations, "BLOCK", 100)
    monkeypatch.setattr(coco_annotations, "LARGEST", 1000)
    read = []
    text = '{"annotations": [{"id": }, ' + '{"id": 1}, ' * 5000 + "{}]}"
    member = write(official, text)
    original = coco_annotations._Text._more
    monkeypatch.setattr(
        coco_annotations._Text, "_more", lambda self: read.append(1) or original(self)
    )
    with pytest.raises(UserError, match="not readable JSON"):
        read_annotations(member, lambda entry: entry)
    assert len(read) < 20


def test_an_annotation_of_an_unlisted_image_is_refused(official):
    found = read_annotations(write(official, WHOLE), lambda entry: entry)
    assert found.file_name(1) == "a"
    with pytest.raises(UserError, match="annotates image 5, which it does not list"):
        found.file_name(5)
