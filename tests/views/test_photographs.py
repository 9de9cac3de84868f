"""What a worker decodes: the pixels of PIL, no more of them than the crops need."""

import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from neco.config import Crops
from neco.data.dataset import Item
from neco.errors import UserError
from neco.views import PhotographDataset, collate_photographs, cut_on_device, sample_boxes
from neco.views.photographs import REDUCTIONS, decoded, needed, reduction, view_sides
from tests.views.conftest import photograph


def encoded(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    width=st.integers(40, 5000),
    height=st.integers(40, 5000),
    local=st.integers(8, 98),
)
def test_no_crop_grows_and_the_next_factor_would_make_one_grow(seed, width, height, local):
    crops = Crops(local_size=local)
    boxes = sample_boxes(np.random.default_rng(seed), width, height, crops)
    factor = reduction(boxes, view_sides(crops))
    sides = [side for side in view_sides(crops).tolist() for _ in "xy"]
    extents = (boxes[:, 2:] - boxes[:, :2]).ravel().tolist()
    grown = {
        each: any(extent / each < side for extent, side in zip(extents, sides, strict=True))
        for each in REDUCTIONS
    }
    assert factor == max([each for each, grows in grown.items() if not grows], default=1)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_whole_image_has_pils_pixels(mode, kind):
    if (mode, kind) == ("CMYK", "PNG"):
        pytest.skip("PNG has no CMYK")
    data = encoded(photograph(0, 75, 50).convert(mode), kind)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    with Image.open(io.BytesIO(data)) as image:
        assert (decoded(image, 1) == expected).all()


@pytest.mark.parametrize("factor", [2, 4, 8])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("size", [(160, 96), (75, 50), (77, 53)])
def test_a_reduced_pixel_is_the_mean_of_a_block(factor, kind, size):
    smooth = photograph(1, 6, 5).resize(size, Image.Resampling.BICUBIC)
    data = encoded(smooth, kind)
    with Image.open(io.BytesIO(data)) as image:
        ours = decoded(image, factor).astype(float)
    assert ours.shape[:2] == (-(-size[1] // factor), -(-size[0] // factor))
    whole = np.asarray(smooth, dtype=float)[: size[1] // factor * factor]
    whole = whole[:, : size[0] // factor * factor]
    blocks = whole.reshape(whole.shape[0] // factor, factor, -1, factor, 3).mean(axis=(1, 3))
    assert np.abs(ours[: blocks.shape[0], : blocks.shape[1]] - blocks).mean() < 4.0


def test_what_is_left_out_changes_no_crop(dataset_of):
    dataset = dataset_of([(200, 150)])
    crops = Crops(global_size=48, local_size=20, global_scale=(0.1, 0.3))
    sides, smaller = view_sides(crops), 0
    for draw in range(5):
        one = PhotographDataset(dataset, crops, 1)[(draw, 0)]
        with dataset.items[0].opened_image() as image:
            factor = reduction(one.boxes, sides)
            whole = decoded(image, factor)
        all_of_it = one._replace(pixels=whole, placed=(one.boxes / factor).astype(np.float32))
        smaller += one.pixels.size < whole.size
        pairs = zip(
            cut_on_device(collate_photographs([one]), crops, torch.device("cpu")),
            cut_on_device(collate_photographs([all_of_it]), crops, torch.device("cpu")),
            strict=True,
        )
        for ours, expected in pairs:
            torch.testing.assert_close(ours, expected, atol=2e-2, rtol=0)
    assert smaller


def test_the_needed_part_reaches_past_the_boxes():
    part, placed = needed(
        np.arange(3000).reshape(25, 40, 3),
        np.array([[10.0, 10.0, 20.0, 20.0]]),
        np.array([5.0]),
    )
    assert part.shape == (14, 14, 3) and part[0, 0, 0] == (8 * 40 + 8) * 3
    assert placed.tolist() == [[2.0, 2.0, 12.0, 12.0]]


@pytest.mark.parametrize("kept", [40, 600])
def test_a_truncated_jpeg_is_named(tmp_path, dataset_of, kept):
    dataset = dataset_of([(160, 120)])
    path = dataset.items[0].image
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"0\.jpg: cannot be read as an image"):
        PhotographDataset(dataset, Crops(), 0)[(0, 0)]


def test_a_missing_image_is_named(tmp_path, dataset_of):
    dataset = dataset_of([(64, 48)])
    dataset.items[0] = Item("gone", tmp_path / "gone.jpg", None, "train")
    with pytest.raises(UserError, match=r"gone\.jpg: cannot be read as an image"):
        PhotographDataset(dataset, Crops(), 0)[(0, 0)]
