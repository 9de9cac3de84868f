import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from neco.data.left_out import UnusableError
from neco.data.photographs import read_photograph


def encoded(image, form, **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def pixels(photograph, data):
    """Return what a reader sees, int (H, W, 3)."""
    with Image.open(io.BytesIO(photograph.copy or data)) as image:
        return np.array(image.convert("RGB")).astype(int)


@pytest.fixture
def photo():
    coarse = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((60, 40), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_photographs_are_turned_as_viewers_turn_them(photo, orientation, form):
    exif = Image.Exif()
    exif[0x0112] = orientation
    lossless = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}
    data = encoded(photo, form, exif=exif, **lossless.get(form, {}))
    with Image.open(io.BytesIO(data)) as image:
        expected = ImageOps.exif_transpose(image).convert("RGB")
    found = read_photograph(data, "x")
    assert found.size == expected.size
    seen = pixels(found, data) if form != "TIFF" else np.array(_loaded(found.copy or data))
    assert np.abs(seen - np.array(expected).astype(int)).mean() < 3
    stored = read_photograph(data, "x", upright=False)
    assert form == "TIFF" or (stored.size == photo.size and stored.copy is None)


def _loaded(data):
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return image.convert("RGB")


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_what_pillow_reads_rightly_is_not_written_anew(photo, mode):
    data = encoded(photo.convert(mode), "JPEG")
    assert read_photograph(data, "x").copy is None


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_by_their_range(form):
    ramp = np.linspace(0, 65535, 40 * 32).reshape(32, 40).astype(np.uint16)
    data = encoded(Image.fromarray(ramp), form)
    found = read_photograph(data, "x")
    expected = (ramp / 257).round()
    assert found.kinds == ("scaled to 8 bits",)
    np.testing.assert_array_equal(pixels(found, data)[..., 0], expected)


def test_floats_from_0_to_1_are_scaled_and_others_refused():
    ramp = np.linspace(0, 1, 40 * 32, dtype=np.float32).reshape(32, 40)
    data = encoded(Image.fromarray(ramp), "TIFF")
    np.testing.assert_allclose(pixels(read_photograph(data, "x"), data)[..., 1], ramp * 255, atol=1)
    for wrong in (ramp * 3, ramp - 1, np.full_like(ramp, np.nan)):
        with pytest.raises(UnusableError, match=r"x\.tif: holds values from .* white is not known"):
            read_photograph(encoded(Image.fromarray(wrong), "TIFF"), "x.tif")
    with pytest.raises(UnusableError, match="white is not known"):
        read_photograph(encoded(Image.fromarray(np.full((32, 40), 70000, np.int32)), "TIFF"), "x")


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_pixels_are_white(photo, mode):
    layered = photo.convert(mode)
    opacity = Image.new("L", photo.size, 255)
    opacity.paste(0, (0, 0, 30, 40))
    layered.putalpha(opacity)
    data = encoded(layered, "PNG")
    seen = pixels(read_photograph(data, "x"), data)
    assert (seen[:, :30] == 255).all()
    np.testing.assert_array_equal(seen[:, 30:], np.array(layered.convert("RGB"))[:, 30:])


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_several_frames_the_first_is_taken(photo, form):
    data = encoded(photo, form, save_all=True, append_images=[ImageOps.invert(photo)])
    found = read_photograph(data, "x")
    assert "first frame of several" in found.kinds
    assert np.abs(pixels(found, data) - np.array(photo).astype(int)).mean() < 12


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>403</html>", "no image"),
        (b"version https://git-lfs.github.com/spec/v1\n", "no image"),
        (b"not an image at all", "truncated or damaged"),
        (b"\xff\xd8\xff\xe0" + bytes(50), "truncated or damaged"),
    ],
)
def test_what_is_no_image_says_what_it_is(data, reason):
    with pytest.raises(UnusableError, match=r"x\.jpg: .*replace or remove it") as caught:
        read_photograph(data, "x.jpg")
    assert caught.value.reason == reason and "\n" not in str(caught.value)


@given(st.data())
def test_damage_of_any_kind_is_one_line(data):
    form = data.draw(st.sampled_from(["JPEG", "PNG", "TIFF", "GIF", "WEBP", "BMP"]))
    whole = bytearray(encoded(Image.new("RGB", (40, 32), "red"), form))
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    for content in (bytes(whole), bytes(whole[:cut])):
        try:
            assert min(read_photograph(content, "x").size) >= 16
        except UnusableError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("size", [(1, 1), (3000, 1), (2, 900), (15, 15)])
def test_less_than_a_patch_is_unusable(size):
    with pytest.raises(UnusableError, match="less than a patch"):
        read_photograph(encoded(Image.new("RGB", size), "PNG"), "x")


def test_more_pixels_than_fit_in_memory_are_unusable():
    bomb = encoded(Image.new("1", (20_000, 10_000)), "PNG")
    with pytest.raises(UnusableError, match="more than 178,956,970 pixels; shrink it"):
        read_photograph(bomb, "x")


def test_damaged_exif_data_turn_nothing(photo):
    data = encoded(photo, "JPEG", exif=b"Exif\0\0MM\0*garbage that is no directory")
    assert read_photograph(data, "x").size == photo.size
