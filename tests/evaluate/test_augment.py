import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.transforms import v2

from neco.config.evaluation import Linear
from neco.evaluate.augment import AugmentedImages, crop_box


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
    settings = Linear(mask_size=40, crop_scale=(0.5, 1.0))
    colours = {0: 30, 1: 220, 2: 40, 3: 60}  # red channel of each class
    agree = []
    for epoch in range(3):
        images = AugmentedImages(train, 40, settings, 0, epoch)
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
    settings = Linear(mask_size=10)
    first, again, later = (AugmentedImages(train, 16, settings, 0, epoch) for epoch in (1, 1, 2))
    assert torch.equal(first[3][0], again[3][0])
    assert (first[3][0].shape, first[3][1].shape) == ((3, 16, 16), (10, 10))
    assert not torch.equal(first[3][0], later[3][0])
