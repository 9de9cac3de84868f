"""Crop boxes: inside the image, of the asked size, meeting one another, drawn as a twin draws."""

import math
import random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import neco.views.boxes
from neco.config import Crops
from neco.views.boxes import sample_boxes


def share(first: np.ndarray, second: np.ndarray, area: float) -> float:
    """The obvious overlap of two boxes as a share of the image."""
    wide = min(first[2], second[2]) - max(first[0], second[0])
    tall = min(first[3], second[3]) - max(first[1], second[1])
    return max(wide, 0) * max(tall, 0) / area


@settings(max_examples=60)
@example(seed=0, width=16, height=534, local=4, needed=0.04)
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
            # Of an image 33 times as high as wide the largest box there is covers less than 0.04.
            area = width * height
            possible = min(share(boxes[g], boxes[g], area), share(boxes[v], boxes[v], area))
            assert overlap >= min(needed, possible) - 1e-6


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


def random_resized_box(rng: random.Random, width: int, height: int, scale, aspect) -> list[int]:
    """One box in whole pixels, the literal way: ten tries, then the centred box."""
    for _ in range(10):
        area = width * height * rng.uniform(*scale)
        ratio = math.exp(rng.uniform(math.log(aspect[0]), math.log(aspect[1])))
        wide, tall = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if wide <= width and tall <= height:
            left, top = rng.randint(0, width - wide), rng.randint(0, height - tall)
            return [left, top, left + wide, top + tall]
    wide, tall = width, height
    if width / height < aspect[0]:
        tall = round(width / aspect[0])
    if width / height > aspect[1]:
        wide = round(height * aspect[1])
    left, top = (width - wide) // 2, (height - tall) // 2
    return [left, top, left + wide, top + tall]


def boxes_of_the_twin(rng: random.Random, width: int, height: int, crops: Crops) -> np.ndarray:
    """One crop after the other, each drawn again and again until it meets the globals before it."""
    boxes: list[list[int]] = []
    for crop in range(crops.global_count + crops.local_count):
        large = crop < crops.global_count
        scale = crops.global_scale if large else crops.local_scale
        needed = crops.minimum_global_overlap if large else crops.minimum_overlap
        while True:
            box = random_resized_box(rng, width, height, scale, crops.aspect)
            others = boxes[: crops.global_count]
            if all(share(box, other, width * height) > needed for other in others):
                break
        boxes.append(box)
    return np.array(boxes, dtype=float)


def quantities(boxes: np.ndarray, width: int, height: int) -> dict[str, np.ndarray]:
    """What of boxes (draws, crops, 4) describes how they lie, each (draws, values)."""
    sides = boxes[..., 2:] - boxes[..., :2]
    areas = sides.prod(-1) / (width * height)
    low = np.maximum(boxes[:, None, :, :2], boxes[:, :2, None, :2])  # (draws, 2, crops, 2)
    high = np.minimum(boxes[:, None, :, 2:], boxes[:, :2, None, 2:])
    shared = (high - low).clip(0).prod(-1) / (width * height)  # (draws, 2, crops)
    return {
        "global area": areas[:, :2],
        "globals under 0.4": (areas[:, :2] < 0.4).astype(float),
        "local area": areas[:, 2:],
        "aspect": np.log(sides[..., 0] / sides[..., 1]),
        "middle of globals": (
            (boxes[:, :2, :2] + boxes[:, :2, 2:]) / (2 * np.array([width, height]))
        ),
        "IoU of globals": shared[:, 0, 1:2] / (areas[:, :1] + areas[:, 1:2] - shared[:, 0, 1:2]),
        "overlap of locals": shared[:, :, 2:].reshape(len(boxes), -1),
    }


@pytest.mark.parametrize(
    ("width", "height", "area", "iou"),
    [(640, 480, 0.52, 0.51), (333, 500, 0.48, 0.49), (200, 1000, 0.267, 0.99)],
)
def test_boxes_are_distributed_as_those_of_a_literal_twin(width, height, area, iou):
    """Clipped aspects and crops that are redrawn together once gave an area of 0.66 for 0.52."""
    crops = Crops(minimum_overlap=0.01, minimum_global_overlap=0.02)
    draws = 2000
    fast, slow = np.random.default_rng(0), random.Random(0)
    ours = np.stack([sample_boxes(fast, width, height, crops) for _ in range(draws)])
    twins = np.stack([boxes_of_the_twin(slow, width, height, crops) for _ in range(draws)])
    of_ours, of_twins = quantities(ours, width, height), quantities(twins, width, height)
    for name, mine in of_ours.items():
        other = of_twins[name]
        # Whole pixels against fractions, and four standard errors of a difference of two means.
        error = math.sqrt((mine.mean(1).var() + other.mean(1).var()) / draws)
        assert abs(mine.mean() - other.mean()) < 0.003 + 4 * error, name
        levels = np.linspace(0.1, 0.9, 9)
        apart = np.quantile(mine, levels) - np.quantile(other, levels)
        assert np.abs(apart).max() < 0.01 + 0.1 * other.std(), name
    assert of_ours["global area"].mean() == pytest.approx(area, abs=0.015)
    assert of_ours["IoU of globals"].mean() == pytest.approx(iou, abs=0.02)


@pytest.mark.parametrize("size", [(640, 480), (333, 500), (200, 1000), (1000, 200)])
def test_no_aspect_leaves_its_range(size):
    """A box that did not fit was once made as narrow as the image."""
    rng = np.random.default_rng(0)
    boxes = np.concatenate([sample_boxes(rng, *size, Crops()) for _ in range(300)])
    aspect = (boxes[:, 2] - boxes[:, 0]) / (boxes[:, 3] - boxes[:, 1])
    assert aspect.min() > 0.75 - 1e-4 and aspect.max() < 4 / 3 + 1e-4


def test_boxes_that_never_fit_become_the_centred_one():
    crops = Crops(global_scale=(0.9, 1.0), local_count=0)
    boxes = sample_boxes(np.random.default_rng(0), 100, 1000, crops)
    expected = [0, 500 - 100 / 1.5, 100, 500 + 100 / 1.5]
    assert boxes == pytest.approx(np.tile(expected, (2, 1)), abs=1e-3)


@pytest.mark.parametrize("attempts", [1, 15, 17, 40])
def test_a_crop_is_drawn_as_often_as_asked_and_no_more(attempts, monkeypatch):
    """The blocks in which boxes are drawn are of no account."""
    counts = []
    draw = neco.views.boxes._draw

    def counted(*arguments):
        counts.append(arguments[-1])
        return draw(*arguments)

    monkeypatch.setattr(neco.views.boxes, "_draw", counted)
    sample_boxes(np.random.default_rng(0), 300, 200, Crops(minimum_overlap=0.9, attempts=attempts))
    assert sum(counts) == attempts
