import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from neco.data.writing import decode_mask, ids_in, image_size, write_mask
from neco.errors import UserError


def encoded(image, form, **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


@pytest.fixture
def photograph():
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 256, (120, 200, 3), dtype=np.uint8))


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_whole_jpeg_has_its_size(photograph, mode, progressive):
    data = encoded(photograph.convert(mode), "JPEG", progressive=progressive)
    assert image_size(data, "x") == (200, 120)


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.3, 0.7, 0.95])
@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_a_truncated_image_is_refused(photograph, form, kept):
    data = encoded(photograph, form)
    with pytest.raises(UserError, match=r"x\.jpg: truncated or damaged image"):
        image_size(data[: int(kept * len(data))], "x.jpg")


@given(arrays(np.uint8, (3, 4)))
def test_masks_come_back_unchanged(tmp_path_factory, labels):
    work = tmp_path_factory.mktemp("mask")
    written = write_mask(labels, work, "masks/a.png", (4, 3), 255, "x")
    with Image.open(work / "masks/a.png") as image:
        assert image.mode == "L"
        np.testing.assert_array_equal(np.array(image), labels)
    assert written.present == tuple(sorted(set(labels.ravel().tolist())))


@given(arrays(np.int32, (2, 2), elements=st.integers(-3, 300)), st.integers(1, 20))
def test_exactly_classes_and_255_are_possible(tmp_path_factory, labels, classes):
    work = tmp_path_factory.mktemp("mask")
    path = work / "a.png"
    if all(0 <= i < classes or i == 255 for i in labels.ravel()):
        write_mask(labels, work, "a.png", (2, 2), classes, "x.png")
        assert decode_mask(path.read_bytes(), "x").tolist() == labels.tolist()
    else:
        with pytest.raises(UserError, match=rf"x\.png: impossible label .* {classes} classes"):
            write_mask(labels, work, "a.png", (2, 2), classes, "x.png")
        assert not path.exists()


@given(arrays(np.uint8, (3, 4)))
def test_ids_are_those_that_sorting_finds(labels):
    assert ids_in(labels).tolist() == sorted(set(labels.ravel().tolist()))


def test_palette_masks_give_indices_not_colours(photograph):
    image = Image.fromarray(np.array([[0, 3], [255, 1]], dtype=np.uint8))
    image.putpalette([7] * 768)
    assert decode_mask(encoded(image, "PNG"), "x").tolist() == [[0, 3], [255, 1]]


def test_a_coloured_mask_is_refused(photograph):
    with pytest.raises(UserError, match=r"x\.png: a RGB image, not label ids"):
        decode_mask(encoded(photograph, "PNG"), "x.png")
