import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.transforms import v2

from neco.evaluate.augment import AugmentedImages, crop_box, jittered


@given(st.integers(3, 300), st.integers(3, 300), st.integers(0, 1000))
def test_a_crop_lies_in_the_image(height, width, seed):
    left, top, right, bottom = crop_box(height, width, (0.8, 1.0), np.random.default_rng(seed))
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height


def test_crops_are_distributed_as_torchvisions():
    generator = np.random.default_rng(0)
    ours = np.array([crop_box(300, 400, (0.3, 1.0), generator) for _ in range(3000)])
    torch.manual_seed(0)
    image = torch.empty(3, 300, 400)
    params = [
        v2.RandomResizedCrop.make_params(v2.RandomResizedCrop(8, scale=(0.3, 1.0)), [image])
        for _ in range(3000)
    ]
    theirs = np.array([[p["left"], p["top"], p["width"], p["height"]] for p in params])
    ours[:, 2:] -= ours[:, :2]
    for quantile in (0.1, 0.5, 0.9):
        np.testing.assert_allclose(
            np.quantile(ours, quantile, axis=0), np.quantile(theirs, quantile, axis=0), atol=14
        )


def test_image_and_mask_stay_together(coloured):
    train, _ = coloured
    colours = {0: 30, 1: 220, 2: 40, 3: 60}  # red channel of each class
    agree = []
    for epoch in range(3):
        images = AugmentedImages(train, 40, 40, (0, epoch), (0.5, 1.0), flip_probability=0.5)
        for index in range(len(images)):
            image, mask = images[index]
            red = (image[0] * 0.229 + 0.485) * 255
            expected = torch.zeros_like(red)
            for k, value in colours.items():
                expected[mask == k] = value
            agree.append(((red - expected).abs() < 40)[mask != 255].float().mean())
    assert min(agree) > 0.8


def test_an_item_depends_on_seed_epoch_and_index_alone(coloured):
    train, _ = coloured
    first, again, later = (
        AugmentedImages(train, 16, 10, (0, epoch), (0.8, 1.0), jitter=0.2, jitter_probability=0.5)
        for epoch in (1, 1, 2)
    )
    assert torch.equal(first[3][0], again[3][0])
    assert (first[3][0].shape, first[3][1].shape) == ((3, 16, 16), (10, 10))
    assert not torch.equal(first[3][0], later[3][0])


def test_colours_are_changed_as_torchvision_does():
    class Largest:
        """Every change is made, each as far as it goes."""

        def random(self, count):
            return np.zeros(count)

        def uniform(self, low, high, count):
            return np.full(count, high)

    image = torch.rand(3, 9, 11, generator=torch.Generator().manual_seed(0))
    expected = image
    for change in (
        v2.functional.adjust_brightness, v2.functional.adjust_contrast,
        v2.functional.adjust_saturation,
    ):  # fmt: skip
        expected = change(expected, 1.1)
    expected = v2.functional.adjust_hue(expected, 0.1)
    torch.testing.assert_close(jittered(image, 0.1, 0.5, Largest()), expected, atol=2e-3, rtol=0)


def test_each_colour_change_has_its_own_probability():
    image = torch.rand(3, 5, 6, generator=torch.Generator().manual_seed(0))
    generator = np.random.default_rng(0)
    torch.testing.assert_close(jittered(image, 0.1, 0.0, generator), image, atol=1e-6, rtol=0)
    changed = [
        (jittered(image, 0.1, 0.5, generator) - image).abs().max() > 1e-6 for _ in range(400)
    ]
    assert 0.88 < np.mean(changed) < 0.98  # 1 - 0.5 ** 4


def test_areas_past_the_image_give_all_of_it():
    generator = np.random.default_rng(0)
    assert crop_box(300, 400, (1.5, 2.0), generator) == (0, 0, 400, 300)
