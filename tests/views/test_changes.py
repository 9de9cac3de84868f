"""Draws for a whole batch: every share of it changes its views as the whole would."""

import pytest
import torch

from neco.config import Photometric
from neco.share import Share
from neco.views import draw_changes, photometric, recoloured


def crops(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, 256, (count, 3, 20, 20), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("processes", [2, 3, 6])
def test_a_share_of_the_batch_changes_as_in_the_whole(processes):
    whole = crops(12)
    expected = photometric(whole, Photometric(), torch.Generator().manual_seed(1))
    for rank in range(processes):
        share = Share(rank, processes)
        generator = torch.Generator().manual_seed(1)
        found = photometric(share.of(whole), Photometric(), generator, share)
        torch.testing.assert_close(found, share.of(expected))


def test_drawing_first_equals_drawing_on_the_way():
    first, second = (torch.Generator().manual_seed(7) for _ in range(2))
    drawn = recoloured(crops(5), draw_changes(5, Photometric(), first))
    assert torch.equal(drawn, photometric(crops(5), Photometric(), second))
    assert torch.equal(torch.rand(2, generator=first), torch.rand(2, generator=second))


def test_no_value_on_the_device_steers_the_host():
    """Tensors on `meta` have no values: whatever asked for one would fail."""
    pixels = torch.empty(4, 3, 24, 24, dtype=torch.uint8, device="meta")
    views = photometric(pixels, Photometric(), torch.Generator().manual_seed(0))
    assert views.shape == (4, 3, 24, 24) and views.is_meta
