"""Consistency against loops over every place, and what must leave it as it is."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from torch import nn

from neco.config.consistency import Consistency
from neco.config.extraction import Extraction
from neco.config.training import Photometric
from neco.errors import UserError
from neco.evaluate.consistency import _renormalised, agreement, compared, evaluate
from neco.evaluate.result import read_result, write_result
from neco.normalisation import IMAGENET

PLAIN = Photometric(jitter_probability=0.0, grayscale_probability=0.0, blur_probability=0.0)
SETTINGS = Consistency(
    image_size=32, aligned_size=3, neighbours=4, references=30, seeds=[0, 1], bootstrap=20
)
ALIKE = {"crop_scale": (1.0, 1.0), "photometric": PLAIN}
EXTRACTION = Extraction(batch_size=4, workers=0)


class MeanColours(nn.Module):
    """A patch's token is its mean colour: flipped images have flipped tokens."""

    patch_size, dim = 4, 3

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return nn.functional.avg_pool2d(images, self.patch_size).permute(0, 2, 3, 1)


def tokens(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def slow_agreement(first, second, references, k) -> tuple[list[float], list[float]]:
    """Return both numbers of every place, by sets and scipy."""
    shared, correlation = [], []
    for one, other in zip(first.numpy(), second.numpy(), strict=True):
        cosines = [
            [np.dot(v, r) / np.linalg.norm(v) / np.linalg.norm(r) for r in references.numpy()]
            for v in (one, other)
        ]
        nearest = [set(sorted(range(len(c)), key=lambda i: -c[i])[:k]) for c in cosines]
        shared.append(len(nearest[0] & nearest[1]) / k)
        correlation.append(spearmanr(*cosines).statistic)
    return shared, correlation


@given(seed=st.integers(0, 999), k=st.integers(1, 7), spread=st.sampled_from([0.1, 1.0, 10.0]))
def test_it_is_what_sets_and_scipy_say(seed, k, spread):
    first, references = tokens(seed, 5, 6), tokens(seed + 2000, 12, 6)
    second = first + spread * tokens(seed + 1000, 5, 6)
    shared, correlation = slow_agreement(first, second, references, k)
    found = agreement(first, second, references, k)
    np.testing.assert_allclose(found[0], shared, atol=1e-6)
    np.testing.assert_allclose(found[1], correlation, atol=1e-5)


@given(seed=st.integers(0, 999))
def test_references_in_another_order_and_views_the_other_way_round_change_nothing(seed):
    first, second, references = (tokens(seed + n, size, 6) for n, size in enumerate((5, 5, 12)))
    order = torch.from_numpy(np.random.default_rng(seed).permutation(12))
    found = agreement(first, second, references, 3)
    for again in (
        agreement(first, second, references[order], 3),
        agreement(second, first, references, 3),
        agreement(3 * first, 0.5 * second, 2 * references, 3),
    ):
        assert all(torch.allclose(*pair, atol=1e-6) for pair in zip(found, again, strict=True))
    assert all((part == 1).all() for part in agreement(first, first, references, 3))


def test_an_image_is_never_compared_with_its_own_patches():
    first, second = tokens(0, 3, 4, 6), tokens(1, 3, 4, 6)
    settings = Consistency(neighbours=2, references=12)
    shared, correlation = compared(first, second, settings, np.random.default_rng(0))
    for image in range(3):
        others = torch.cat([first[other] for other in range(3) if other != image])
        slow = slow_agreement(first[image], second[image], others, 2)
        assert shared[image] == pytest.approx(np.mean(slow[0]))
        assert correlation[image] == pytest.approx(np.mean(slow[1]), abs=1e-5)
    with pytest.raises(UserError, match="8 references of other images for neighbours 8"):
        few = Consistency(neighbours=8, references=12)
        compared(first, second, few, np.random.default_rng(0))


@pytest.mark.parametrize("flips", [0.0, 0.5])
def test_views_that_are_alike_give_all(coloured, flips):
    settings = SETTINGS.model_copy(update={**ALIKE, "flip_probability": flips})
    found = evaluate(
        coloured[0], settings, backbone=MeanColours(), extraction=EXTRACTION, device="cpu"
    )
    assert found.mIoU == pytest.approx(100, abs=0.2)
    assert found.summary["order"].mIoU == pytest.approx(100, abs=0.01)


def test_views_that_differ_agree_less_but_more_than_by_chance(coloured, tmp_path):
    found = evaluate(
        coloured[0], SETTINGS, backbone=MeanColours(), about={"model": "mean"},
        extraction=EXTRACTION, device="cpu",
    )  # fmt: skip
    first = found.results[0]
    assert first.details["chance"] < found.mIoU < 100
    assert first.interval[0] < first.mIoU < first.interval[1]
    assert (found.quantity, found.headline, found.model) == ("shared neighbours", "", "mean")
    assert found.summary["order"].quantity == "rank correlation"
    assert found.conditions.val_images == 12 and found.conditions.input_size == 32
    write_result(tmp_path / "a.json", found)
    assert read_result(tmp_path / "a.json") == found


def test_the_backbones_own_colours_are_used():
    pixels = torch.rand(2, 3, 4, 4)
    mean, deviation = (torch.tensor(part)[:, None, None] for part in IMAGENET)
    own = ((0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
    expected = (pixels - torch.tensor(own[0])[:, None, None]) / torch.tensor(own[1])[:, None, None]
    assert torch.allclose(_renormalised((pixels - mean) / deviation, own), expected, atol=1e-5)
    assert _renormalised(pixels, IMAGENET) is pixels
