"""Draws for a whole batch: every share of it changes its crops as the whole would."""

import pytest
import torch

from neco.config import Photometric
from neco.views import draw_changes, photometric, recoloured


def crops(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, 256, (count, 3, 20, 20), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("per_image", [1, 4])
@pytest.mark.parametrize("images", [slice(0, None, 2), slice(1, None, 2), [4, 0], slice(2, 5)])
def test_a_share_of_the_batch_changes_as_in_the_whole(per_image, images):
    whole = crops(6 * per_image)
    changes = draw_changes(len(whole), Photometric(), torch.Generator().manual_seed(1))
    expected = recoloured(whole, changes).unflatten(0, (6, per_image))[images].flatten(0, 1)
    part = whole.unflatten(0, (6, per_image))[images].flatten(0, 1)
    torch.testing.assert_close(recoloured(part, changes.of_images(images, per_image)), expected)


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
