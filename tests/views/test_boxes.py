"""Crop boxes: inside the image, of the asked size, meeting one another."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neco.config import Crops
from neco.views.boxes import sample_boxes


def share(first: np.ndarray, second: np.ndarray, area: float) -> float:
    """The obvious overlap of two boxes as a share of the image."""
    wide = min(first[2], second[2]) - max(first[0], second[0])
    tall = min(first[3], second[3]) - max(first[1], second[1])
    return max(wide, 0) * max(tall, 0) / area


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    width=st.integers(16, 900),
    height=st.integers(16, 900),
    local=st.integers(0, 6),
    needed=st.sampled_from([0.0, 0.01, 0.02, 0.04]),
)
def test_every_global_crop_meets_every_other_inside_the_image(seed, width, height, local, needed):
    crops = Crops(local_count=local, minimum_overlap=needed, minimum_global_overlap=needed)
    boxes = sample_boxes(np.random.default_rng(seed), width, height, crops)
    assert boxes.shape == (2 + local, 4)
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2] <= width).all() and (boxes[:, 3] <= height).all()
    for g in range(2):
        for v in range(2 + local):
            overlap = share(boxes[g], boxes[v], width * height)
            assert overlap > 0
            assert overlap >= needed - 1e-6


def test_areas_follow_the_scales():
    crops = Crops(aspect=(1.0, 1.0), attempts=1, minimum_overlap=0.0)
    rng = np.random.default_rng(0)
    boxes = np.stack([sample_boxes(rng, 400, 400, crops) for _ in range(400)])
    area = np.prod(boxes[..., 2:] - boxes[..., :2], axis=-1) / 400**2
    large, small = area[:, :2], area[:, 2:]
    assert large.min() >= 0.25 - 1e-3 and large.max() <= 1 + 1e-3
    assert small.min() >= 0.05 - 1e-3 and small.max() <= 0.25 + 1e-3
    assert abs(small.mean() - 0.15) < 0.01


def test_an_impossible_rule_ends_in_centred_boxes():
    crops = Crops(minimum_overlap=0.9, attempts=3)
    boxes = sample_boxes(np.random.default_rng(0), 300, 200, crops)
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    assert middle == pytest.approx(np.tile([150, 100], (6, 1)), abs=1e-3)


def test_the_same_generator_draws_the_same_boxes():
    draws = [sample_boxes(np.random.default_rng(5), 100, 80, Crops()) for _ in range(2)]
    assert (draws[0] == draws[1]).all()


def test_crops_as_wide_as_the_image_stay_inside():
    """Such a box once began a rounding error left of the image, which the resize refuses."""
    crops = Crops(global_scale=(0.9, 1.0), aspect=(0.5, 2.0), attempts=1, minimum_overlap=0.0)
    rng = np.random.default_rng(0)
    for _ in range(2000):
        width, height = rng.integers(50, 700, 2).tolist()
        boxes = sample_boxes(rng, width, height, crops)
        assert (boxes >= 0).all() and (boxes <= [width, height, width, height]).all()
