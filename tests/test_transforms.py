import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import v2

from neco.transforms import image_tensor, input_side, nearest_index, resize_nearest


def test_image_is_resized_and_normalised_as_torchvision_does():
    pixels = np.random.default_rng(0).integers(0, 256, (37, 53, 3)).astype(np.uint8)
    image = Image.fromarray(pixels)
    other = v2.Compose(
        [
            v2.Resize((28, 28), interpolation=v2.InterpolationMode.BILINEAR, antialias=True),
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    torch.testing.assert_close(image_tensor(image, 28), other(image))


def test_side_is_rounded_down_to_whole_patches():
    assert [input_side(size, 14) for size in (518, 448, 450, 5)] == [518, 448, 448, 14]


@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 40))
def test_nearest_reads_the_pixel_under_each_centre(height, width, target):
    labels = np.arange(height * width).reshape(height, width)
    expected = [
        [
            labels[int((row + 0.5) * height / target), int((column + 0.5) * width / target)]
            for column in range(target)
        ]
        for row in range(target)
    ]
    assert resize_nearest(labels, target, target).tolist() == expected


def test_nearest_agrees_with_pillow_on_masks():
    mask = np.random.default_rng(1).integers(0, 21, (375, 500)).astype(np.uint8)
    pillow = np.array(Image.fromarray(mask).resize((100, 100), Image.Resampling.NEAREST))
    assert np.array_equal(resize_nearest(mask, 100, 100), pillow)


def test_upsampling_repeats_and_keeps_order():
    assert nearest_index(3, 7).tolist() == [0, 0, 1, 1, 1, 2, 2]
