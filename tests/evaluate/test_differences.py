"""The paired bootstrap against its obvious twin: draw images, build the set anew, score it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neco.data.dataset import IGNORED
from neco.evaluate.differences import Score, difference, image_weights, interval
from neco.evaluate.metrics import Tally
from neco.evaluate.per_image import of_values, parts_of

NAMES = ["ground", "red", "green", "blue"]


def tally(predictions, masks, absent="skip", zeros=0):
    score = Tally(NAMES, absent, zeros=zeros)
    for predicted, mask in zip(predictions, masks, strict=True):
        score.update(predicted, mask)
    return score.result("", 0)


def images(seed, count=7):
    generator = np.random.default_rng(seed)
    masks = generator.integers(0, 4, (count, 6, 5)).astype(np.uint8)
    masks[generator.random(masks.shape) < 0.1] = IGNORED
    wrong = generator.random((2, *masks.shape)) < np.array([0.3, 0.5])[:, None, None, None]
    guesses = generator.integers(0, 4, (2, *masks.shape)).astype(np.uint8)
    predictions = np.where(wrong | (masks == IGNORED), guesses, masks)
    return predictions.astype(np.uint8), masks


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.sampled_from(["zero", "skip"]), st.integers(0, 1))
def test_a_draw_is_the_score_of_the_images_that_were_drawn(seed, absent, zeros):
    (one, other), masks = images(seed)
    weights = image_weights(len(masks), 12, seed)
    assert (weights.sum(axis=1) == len(masks)).all()
    for predictions in (one, other):
        parts = parts_of(tally(predictions, masks, absent, zeros))
        drawn = parts.drawn(weights)
        for row, found in zip(weights, drawn, strict=True):
            again = np.repeat(np.arange(len(masks)), row)  # the drawn images, one after another
            twin = tally(predictions[again], masks[again], absent, zeros)
            assert found == pytest.approx(twin.mIoU, abs=1e-4)


def test_the_interval_of_the_difference_is_that_of_the_twin():
    (one, other), masks = images(3, count=12)
    weights = image_weights(12, 200, 0)
    mine, theirs = (parts_of(tally(part, masks)) for part in (one, other))
    apart = difference(
        Score(50.0, mine.drawn(weights), 1, "mIoU"), Score(48.5, theirs.drawn(weights), 1, "mIoU"),
        0.95,
    )  # fmt: skip
    slow = []
    for row in weights:
        again = np.repeat(np.arange(12), row)
        slow.append(tally(one[again], masks[again]).mIoU - tally(other[again], masks[again]).mIoU)
    ordered = np.sort(slow)
    assert apart.value == pytest.approx(1.5)
    assert ordered[3] <= apart.interval[0] <= ordered[6]  # 2.5 % of 200 draws lie below
    assert ordered[193] <= apart.interval[1] <= ordered[196]


def test_pairing_takes_away_what_both_have_in_common():
    """A model that is better by the same on every image is surely better, however images differ."""
    hard = np.linspace(0.1, 0.8, 30)
    weights = image_weights(30, 500, 1)
    mine, theirs = (of_values(part).drawn(weights) for part in (hard + 0.05, hard))
    assert interval(mine - theirs, 0.95) == pytest.approx((5.0, 5.0))
    low, high = interval(mine, 0.95)
    assert high - low > 10  # while either number alone is uncertain


def test_one_image_alone_has_no_spread():
    weights = image_weights(1, 100, 0)
    assert interval(of_values(np.array([0.4])).drawn(weights), 0.95) == pytest.approx((40, 40))


def test_the_same_seed_draws_the_same_images():
    assert (image_weights(9, 20, 4) == image_weights(9, 20, 4)).all()
    assert (image_weights(9, 20, 4) != image_weights(9, 20, 5)).any()
