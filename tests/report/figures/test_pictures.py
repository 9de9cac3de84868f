from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neco.data.dataset import Dataset
from neco.report.figures.pictures import grid, justified, read_picture

shapes = st.lists(st.lists(st.floats(0.3, 3.0), min_size=1, max_size=6), min_size=1, max_size=4)


def test_a_picture_keeps_its_shape_and_labels(scenes: tuple[Dataset, Dataset]) -> None:
    picture = read_picture(scenes[1], 0, longest=32)
    assert picture.pixels.shape == (24, 32, 3)
    assert picture.aspect == pytest.approx(4 / 3)
    mask = scenes[1].items[0].read_mask()
    assert (picture.labels == mask[1::2, 1::2]).all()


@settings(max_examples=15)
@given(shapes)
def test_justified_rows_fill_the_width_and_keep_shapes(aspects: list[list[float]]) -> None:
    figure, axes = justified(aspects, across=7.0, bottom=0.3)
    width, height = figure.get_size_inches()
    lowest = []
    for row, places in zip(aspects, axes, strict=True):
        boxes = [place.get_position() for place in places]
        assert boxes[0].x0 == pytest.approx(0)
        assert boxes[-1].x1 == pytest.approx(1)
        assert all(b.x0 > a.x1 for a, b in pairwise(boxes))
        for aspect, box in zip(row, boxes, strict=True):
            assert box.width * width / (box.height * height) == pytest.approx(aspect)
        lowest.append(boxes[0].y0)
    assert min(lowest) * height == pytest.approx(0.3)


def test_a_grid_has_its_margins() -> None:
    figure, axes = grid([1, 2], [1, 0.5], across=6.0, left=0.5, top=0.2, bottom=0.4, gap=0.1)
    width, height = figure.get_size_inches()
    first, last = axes[0][0].get_position(), axes[1][1].get_position()
    assert first.x0 * width == pytest.approx(0.5)
    assert (1 - first.y1) * height == pytest.approx(0.2)
    assert last.y0 * height == pytest.approx(0.4)
    assert last.x1 == pytest.approx(1)
    assert last.width == pytest.approx(2 * first.width)
