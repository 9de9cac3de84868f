import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from neco.config.base import validated
from neco.config.folder import Folder
from neco.data.folder.labels import (
    class_map,
    colour_number,
    colour_numbers,
    colour_text,
    read_values,
)
from neco.errors import UserError

HERE = Path("m.png")


@given(
    arrays(st.sampled_from([np.uint8, np.uint16, np.int32]), (5, 6), elements=st.integers(0, 9)),
    st.dictionaries(st.integers(0, 9), st.sampled_from("abc"), min_size=1),
    st.lists(st.integers(0, 9)),
    st.booleans(),
)
def test_ids_mean_what_a_slow_look_up_says(values, classes, ignored, others):
    ignored = [entry for entry in ignored if entry not in classes]
    settings = Folder(classes=classes, ignore="others" if others else ignored)
    names = list(dict.fromkeys(classes.values()))

    def meaning(value):
        if value in classes:
            return names.index(classes[value])
        return 255 if others or value in ignored else None

    expected = [[meaning(int(value)) for value in row] for row in values]
    found = class_map(settings, "x")
    assert found.names == tuple(names)
    if any(None in row for row in expected):
        with pytest.raises(UserError, match=r"m\.png: impossible label"):
            found.labels(values, HERE)
    else:
        labels = found.labels(values, HERE)
        assert labels.dtype == np.uint8 and labels.tolist() == expected


@given(arrays(np.uint8, (4, 3, 3), elements=st.sampled_from([0, 1, 255])))
def test_colours_are_packed_and_written_as_they_are(colours):
    numbers = colour_numbers(colours)
    for colour, number in zip(colours.reshape(-1, 3), numbers.ravel(), strict=True):
        text = colour_text(int(number))
        assert text == "#{:02x}{:02x}{:02x}".format(*colour)
        for form in (text, text.upper(), text[1:], "{} {} {}", "{},{},{}", "[{}, {}, {}]"):
            assert colour_number(form.format(*colour)) == number


@pytest.mark.parametrize("text", ["", "#12345", "1 2", "1 2 300", "a b c", "1 2 3 4 5", "-1 0 0"])
def test_what_is_no_colour_is_refused(text):
    with pytest.raises(ValueError):
        colour_number(text)


@given(arrays(np.uint8, (6, 5), elements=st.integers(0, 40)))
def test_an_image_of_equal_channels_holds_ids(ids):
    buffer = io.BytesIO()
    Image.fromarray(np.stack([ids] * 3, -1)).save(buffer, "PNG")
    np.testing.assert_array_equal(read_values(buffer.getvalue(), HERE), ids)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"clases": ["a"]}, "unknown key 'clases'; did you mean 'classes'"),
        ({"classes": []}, "name at least one"),
        ({"classes": [False, "a"]}, "in quotes"),
        ({"classes": "a"}, "write a list of names"),
        ({"classes": {0: "a", "#000000": "b"}}, "all classes by ids, or all by colours"),
        ({"classes": {0: ["a"]}}, "every name is one word"),
        ({"splits": {"Val 1": None}}, "no name of lower case letters"),
        ({"masks": "{id}.png", "annotations": "a.json"}, "exclude each other"),
        ({"skip": -1}, "skip: "),
        ({"hold_out": 1}, "hold_out: "),
    ],
)
def test_settings_that_cannot_be_are_one_line(given, message):
    with pytest.raises(UserError, match=message) as caught:
        validated(Folder, given, "dataset.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"classes": ["a", "a"]}, "names the class 'a' twice"),
        ({"classes": ["a"], "ignore": [0]}, "0 is ignored, but also the class 'a'"),
        ({"classes": {"#zz0000": "a"}}, "'#zz0000' is no colour"),
        ({"classes": ["a"], "ignore": ["#000000"]}, "'#000000' is no id"),
        ({"classes": [f"c{n}" for n in range(256)]}, "256 classes; a mask holds at most 255"),
    ],
)
def test_classes_that_cannot_be_are_one_line(given, message):
    with pytest.raises(UserError, match=message):
        class_map(validated(Folder, given, "x"), "dataset.yaml")


def test_names_may_be_numbers_and_ids_may_be_quoted():
    settings = validated(Folder, {"classes": {"1": 7, "2": "x"}, "splits": ["train"]}, "x")
    assert settings.classes == {1: "7", 2: "x"} and list(settings.splits) == ["train"]
