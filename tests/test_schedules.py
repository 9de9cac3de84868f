"""The cosine schedule at its ends and in the middle."""

import pytest

from neco.schedules import cosine


def test_schedule_ends_and_middle():
    assert cosine(0, 100, 2.0, 1.0) == 2.0
    assert cosine(50, 100, 2.0, 1.0) == pytest.approx(1.5)
    assert cosine(100, 100, 2.0, 1.0) == pytest.approx(1.0)
    assert cosine(0, 100, 2.0, 0.0, warmup=4) == pytest.approx(0.5)
