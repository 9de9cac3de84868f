"""Foreground: the smallest region that holds the asked share of attention."""

import torch

from neco.foreground import foreground_mask


def test_a_bright_square_is_the_foreground():
    attention = torch.full((1, 2, 12, 12), 0.01)
    attention[:, :, 3:7, 4:9] = 1.0
    mask = foreground_mask(attention, 0.6)[0]
    assert mask[4:6, 5:8].all()
    assert not mask[:2].any() and not mask[9:].any()


def test_specks_are_dropped():
    attention = torch.full((1, 1, 16, 16), 1e-4)
    attention[0, 0, 2:7, 2:7] = 1.0
    attention[0, 0, 13, 13] = 5.0
    mask = foreground_mask(attention, 0.9)[0]
    assert mask[3:6, 3:6].all()
    labels = mask[11:, 11:]
    assert not (0 < int(labels.sum()) <= 2)


def test_patches_that_touch_at_a_corner_are_one_component():
    attention = torch.full((1, 1, 16, 16), 1e-4)
    for step in range(3):
        attention[0, 0, 6 + step, 6 + step] = 1.0
    mask = foreground_mask(attention, 0.5)[0]
    assert mask[6, 6] and mask[7, 7] and mask[8, 8]
