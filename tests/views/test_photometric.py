"""Batched colour changes against torchvision's, one image at a time."""

import pytest
import torch
from torchvision.transforms.v2 import functional as tv

from neco.config import Photometric
from neco.views.changes import blur_radius, draw_changes
from neco.views.photometric import (
    gaussian_blur,
    luminance,
    normalise,
    photometric,
    recoloured,
    recoloured_together,
    turn_hue,
)


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
    ours = gaussian_blur(images, sigma, blur_radius(sigma))
    for image, amount, result in zip(images, sigma.tolist(), ours, strict=True):
        expected = tv.gaussian_blur(image, [17, 17], [amount, amount])
        torch.testing.assert_close(result, expected, atol=1e-5, rtol=0)


def test_blur_of_crops_smaller_than_the_kernel():
    small, sigma = torch.rand(2, 3, 5, 6), torch.tensor([0.3, 2.0])
    assert gaussian_blur(small, sigma, blur_radius(sigma)).shape == small.shape


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


def crops_of(height: int, width: int, dtype: torch.dtype = torch.uint8) -> torch.Tensor:
    """Forty crops: noise, flat colours, grays, and colours at the corners of the cube."""
    generator = torch.Generator().manual_seed(5)
    crops = torch.randint(0, 256, (40, 3, height, width), generator=generator)
    crops[:5] = crops[:5] // 128 * 255
    crops[5:10] = crops[5:10, :, :1, :1]
    crops[10:15] = crops[10:15, :1]
    return crops.to(dtype)


@pytest.mark.parametrize(("height", "width"), [(24, 31), (7, 5), (1, 1)])
@pytest.mark.parametrize("seed", range(4))
def test_a_cpu_that_makes_only_the_drawn_changes_gets_the_views_of_a_gpu(height, width, seed):
    changes = draw_changes(40, Photometric(), torch.Generator().manual_seed(seed))
    crops = crops_of(height, width)
    torch.testing.assert_close(
        recoloured(crops, changes), recoloured_together(crops, changes), atol=2e-5, rtol=0
    )


def test_views_do_not_depend_on_how_crops_lie_in_memory():
    changes = draw_changes(40, Photometric(), torch.Generator().manual_seed(0))
    crops = crops_of(20, 21)
    as_pil = crops.contiguous(memory_format=torch.channels_last)
    halved = crops.to(torch.float16)
    for other in (as_pil, halved):
        assert torch.equal(recoloured(other, changes), recoloured(crops, changes))


def test_views_equal_torchvision_one_crop_and_one_change_at_a_time():
    """Each change as drawn, in the drawn order, by torchvision's functions of single images."""
    changes = draw_changes(40, Photometric(), torch.Generator().manual_seed(2))
    crops = crops_of(40, 36)
    steps = [tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation, tv.adjust_hue]
    views = recoloured(crops, changes)
    for crop, drawn, view in zip(crops, changes.strengths.T.tolist(), views, strict=True):
        jittered, *factors, gray, blurred, sigma = drawn
        image = crop / 255
        if jittered:
            for change in changes.order:
                image = steps[change](image, factors[change])
        if gray:
            image = tv.rgb_to_grayscale(image, 3)
        if blurred:
            image = tv.gaussian_blur(image, [2 * changes.radius + 1] * 2, [sigma, sigma])
        # torchvision's weights of luminance add up to 0.9999.
        torch.testing.assert_close(view, normalise(image[None])[0], atol=2e-3, rtol=0)
