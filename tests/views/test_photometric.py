"""Batched colour changes against torchvision's, one image at a time."""

import pytest
import torch
from torchvision.transforms.v2 import functional as tv

from neco.config import Photometric
from neco.views.photometric import gaussian_blur, luminance, normalise, photometric, turn_hue


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(5, 3, 17, 23, generator=torch.Generator().manual_seed(0))


def test_hue_equals_torchvision(images):
    turn = torch.tensor([-0.5, -0.2, 0.0, 0.13, 0.5])
    ours = turn_hue(images, turn.view(5, 1, 1, 1))
    for image, amount, result in zip(images, turn.tolist(), ours, strict=True):
        torch.testing.assert_close(result, tv.adjust_hue(image, amount), atol=2e-5, rtol=0)


def test_hue_leaves_gray_alone():
    gray = torch.full((1, 3, 4, 4), 0.3)
    torch.testing.assert_close(turn_hue(gray, torch.full((1, 1, 1, 1), 0.2)), gray)


def test_blur_equals_torchvision(images):
    sigma = torch.tensor([0.1, 0.5, 1.0, 1.5, 2.0])
    ours = gaussian_blur(images, sigma)
    for image, amount, result in zip(images, sigma.tolist(), ours, strict=True):
        expected = tv.gaussian_blur(image, [17, 17], [amount, amount])
        torch.testing.assert_close(result, expected, atol=1e-5, rtol=0)


def test_blur_of_crops_smaller_than_the_kernel():
    small = torch.rand(2, 3, 5, 6)
    assert gaussian_blur(small, torch.tensor([0.3, 2.0])).shape == small.shape


def test_luminance_and_normalisation(images):
    torch.testing.assert_close(luminance(images), tv.rgb_to_grayscale(images), atol=1e-3, rtol=0)
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    torch.testing.assert_close(normalise(images), tv.normalize(images, mean, std))


def off(**changes: float) -> Photometric:
    nothing = {"jitter_probability": 0.0, "grayscale_probability": 0.0, "blur_probability": 0.0}
    return Photometric(**(nothing | changes))


def test_nothing_changes_when_every_chance_is_zero():
    crops = torch.randint(0, 256, (3, 3, 8, 8), dtype=torch.uint8)
    changed = photometric(crops, off(), torch.Generator().manual_seed(0))
    torch.testing.assert_close(changed, normalise(crops / 255))


def test_chances_are_kept_per_crop():
    crops = torch.randint(0, 256, (2000, 3, 4, 4), dtype=torch.uint8)
    changed = photometric(crops, off(grayscale_probability=0.2), torch.Generator().manual_seed(1))
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    colour = changed * std + mean
    gray = (colour.amax(1) - colour.amin(1)).amax(dim=(1, 2)) < 1e-4
    assert 0.16 < gray.float().mean() < 0.24


def test_the_seed_decides():
    crops = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8)
    views = [photometric(crops, Photometric(), torch.Generator().manual_seed(s)) for s in (1, 1, 2)]
    assert torch.equal(views[0], views[1])
    assert not torch.equal(views[0], views[2])
