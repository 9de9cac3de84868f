"""Crops cut in one batch, against PIL's, one crop at a time."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from neco.config import Crops
from neco.views import (
    MultiCropDataset,
    PhotographDataset,
    collate,
    collate_photographs,
    cut_on_device,
    views_on_device,
)
from neco.views.resample import resized, triangle_weights

CPU = torch.device("cpu")
ROUNDED_TWICE = 1.0
"""PIL rounds to whole levels after either direction; here nothing is rounded."""


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    width=st.integers(4, 90),
    height=st.integers(4, 90),
    side=st.integers(1, 40),
)
def test_any_crop_equals_pils(seed, width, height, side):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    corners = np.sort(rng.uniform(0, 1, (3, 2, 2)), axis=1)
    corners[:, 1] = np.minimum(corners[:, 1] + 0.05, 1.0)  # no empty boxes
    boxes = (corners * [width, height]).reshape(3, 4).astype(np.float32)
    padded = torch.zeros(1, height + 3, 3, width + 5)
    padded[0, :height, :, :width] = torch.from_numpy(pixels).transpose(1, 2)
    ours = resized(padded, torch.tensor([[height, width]]), torch.from_numpy(boxes)[None], side)
    for box, crop in zip(boxes, ours[0], strict=True):
        pil = Image.fromarray(pixels).resize(
            (side, side), Image.Resampling.BILINEAR, box=tuple(box.tolist())
        )
        expected = torch.from_numpy(np.array(pil)).permute(2, 0, 1).float()
        assert (crop - expected).abs().max() <= ROUNDED_TWICE + 1e-2


def test_weights_of_the_whole_line_at_its_own_size_are_the_identity():
    weights = triangle_weights(torch.zeros(1), torch.full((1,), 7.0), torch.tensor([7]), 7, 9)
    torch.testing.assert_close(weights[0], torch.eye(7, 9))


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_both_places_cut_the_same_crops(dataset_of, suffix):
    """Images of several sizes in one batch, boxes by the same rule from the same draws."""
    dataset = dataset_of([(160, 120), (90, 140), (131, 97)], suffix)
    crops = Crops(global_size=56, local_size=24)
    keys = [(3, 0), (3, 1), (4, 2)]
    by_workers = collate([MultiCropDataset(dataset, crops, 5)[key] for key in keys])
    photographs = collate_photographs([PhotographDataset(dataset, crops, 5)[key] for key in keys])
    groups, boxes = views_on_device(photographs, crops, CPU)
    expected, same = views_on_device(by_workers, crops, CPU)
    assert torch.equal(boxes, same)
    for ours, pil in zip(groups, expected, strict=True):
        assert ours.shape == pil.shape
        assert (ours - pil.float()).abs().max() <= ROUNDED_TWICE + 1e-2


def test_reduced_decoding_stays_near_whole_decoding(dataset_of):
    """Edges differ: the decoder's mean over blocks is not the triangle's. Areas do not."""
    dataset = dataset_of([(800, 600), (700, 900)])
    crops = Crops(global_size=64, local_size=28)
    keys = [(draw, index) for draw in range(3) for index in range(2)]
    small = [PhotographDataset(dataset, crops, 0)[key] for key in keys]
    assert all(one.pixels.shape[0] <= 900 / 2 for one in small)  # really reduced
    groups = cut_on_device(collate_photographs(small), crops, CPU)
    by_workers = collate([MultiCropDataset(dataset, crops, 0)[key] for key in keys])
    for ours, pil in zip(groups, by_workers[:2], strict=True):
        difference = (ours - pil.float()).abs()
        assert difference.mean() < 2.0 and difference.quantile(0.95) < 10.0


def test_without_local_crops_one_group_is_left(dataset_of):
    crops = Crops(local_count=0, global_size=32)
    photographs = collate_photographs([PhotographDataset(dataset_of([(64, 48)]), crops, 0)[(0, 0)]])
    groups, boxes = views_on_device(photographs, crops, CPU)
    assert [group.shape for group in groups] == [(1, 2, 3, 32, 32)] and boxes.shape == (1, 2, 4)


def test_no_value_on_the_device_steers_the_host(dataset_of):
    """Tensors on `meta` have no values: whatever asked for one would fail."""
    crops = Crops(global_size=32, local_size=16)
    data = PhotographDataset(dataset_of([(64, 48), (50, 70)]), crops, 0)
    photographs = collate_photographs([data[(0, 0)], data[(0, 1)]])
    groups = cut_on_device(photographs, crops, torch.device("meta"))
    assert [group.shape[:2] for group in groups] == [(2, 2), (2, 4)]
    assert all(group.is_meta for group in groups)
