"""Colour changes of whole batches of crops, on the device that holds them.

Images are float (N, 3, H, W) in 0 to 1 until they are normalised. The host never waits for the
device here, because all random strengths were drawn on the CPU (changes.py).
"""

import math
from functools import lru_cache

import torch
from torch import Tensor, nn

from neco.config.training import Photometric
from neco.normalisation import IMAGENET
from neco.share import ALONE, Share
from neco.views.changes import Changes, blur_radius, draw_changes
from neco.views.transfer import to_device

LUMINANCE = (0.299, 0.587, 0.114)
TINY = 1e-20
"""Divisor in the place of a chroma of 0, where the hue comes out as 0 with any divisor."""
REACH = 5
"""Standard deviations at which a blur on a CPU ends. What lies further out weighs less than
1e-6."""


def photometric(
    crops: Tensor, settings: Photometric, generator: torch.Generator, share: Share = ALONE
) -> Tensor:
    """Return normalised float views (N, 3, H, W) of crops (N, 3, H, W) in 0 to 255.

    generator: on the CPU, so that a seed gives the same strengths whatever the device. Strengths
    are drawn for the whole batch, of which `crops` are the process's `share`.
    """
    changes = draw_changes(len(crops) * share.processes, settings, generator)
    return recoloured(crops, changes._replace(strengths=share.of(changes.strengths.T).T))


def recoloured(crops: Tensor, changes: Changes) -> Tensor:
    """Return normalised float views (N, 3, H, W) of crops (N, 3, H, W) in 0 to 255.

    changes: those of these N crops. A GPU applies every change to all crops and keeps those that
    were drawn. A CPU applies only these, one crop at a time, which then stays in its cache.
    """
    if crops.device.type != "cpu":
        return recoloured_together(crops, changes)
    views = torch.empty(crops.shape)
    mean, std = (_per_channel(tuple(values), crops.device, views.dtype) for values in IMAGENET)
    drawn = changes.strengths.T.tolist()
    for view, crop, (jittered, *factors, gray, blurred, sigma) in zip(
        views.split(1), crops.split(1), drawn, strict=True
    ):
        # Workers stack PIL's pixels, in which the three colours of one pixel lie together.
        image = crop.to(torch.float32, memory_format=torch.contiguous_format) / 255
        for change in changes.order if jittered else ():
            image = _jittered(image, change, factors[change])
        if gray:
            image = luminance(image).expand(-1, 3, -1, -1)
        if blurred:
            image = _blurred_on_cpu(image, sigma, changes.radius)
        torch.sub(image, mean, out=view).div_(std)
    return views


def recoloured_together(crops: Tensor, changes: Changes) -> Tensor:
    """Return what `recoloured` does, for all crops at once and without waiting for the device."""
    strengths = to_device(changes.strengths, crops.device)[..., None, None, None]
    jittered, *factors, gray, blurred, sigma = strengths.unbind()
    images = crops.float() / 255
    changed = images
    for change in changes.order:
        changed = _jittered(changed, change, factors[change])
    images = torch.where(jittered > 0, changed, images)
    images = torch.where(gray > 0, luminance(images).expand_as(images), images)
    images = torch.where(blurred > 0, _blurred(images, sigma.flatten(), changes.radius), images)
    return normalise(images)


def _jittered(images: Tensor, change: int, strength: Tensor | float) -> Tensor:
    """Return images (B, 3, H, W) after one of the four jitter changes (see `Changes.order`).

    The strength is one number or (B, 1, 1, 1).
    """
    if change == 0:
        return (images * strength).clamp_(0, 1)
    if change == 3:
        return turn_hue(images, strength)
    middle = luminance(images)  # (B, 1, H, W)
    if change == 1:
        middle = middle.mean(dim=(2, 3), keepdim=True)
    return (images - middle).mul_(strength).add_(middle).clamp_(0, 1)


def normalise(images: Tensor) -> Tensor:
    """Return images (B, 3, H, W) in 0 to 1, normalised by ImageNet's mean and deviation."""
    mean = _per_channel(tuple(IMAGENET[0]), images.device, images.dtype)
    std = _per_channel(tuple(IMAGENET[1]), images.device, images.dtype)
    return (images - mean) / std


def luminance(images: Tensor) -> Tensor:
    """Return (B, 1, H, W) of RGB (B, 3, H, W)."""
    red, green, blue = images.split(1, dim=1)
    return (red * LUMINANCE[0]).add_(green, alpha=LUMINANCE[1]).add_(blue, alpha=LUMINANCE[2])


@lru_cache(maxsize=32)
def _per_channel(values: tuple[float, ...], device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return constants (1, 3, 1, 1). They are kept, since making them on a GPU waits for it."""
    return torch.tensor(values, device=device, dtype=dtype).view(1, 3, 1, 1)


def turn_hue(images: Tensor, turn: Tensor | float) -> Tensor:
    """Return RGB images (B, 3, H, W) with their hue moved by `turn`, 1 = full circle.

    The turn is one number or (B, 1, 1, 1). Works on the hexagonal hue of HSV, as torchvision's
    adjust_hue does.
    """
    red, green, blue = images.split(1, dim=1)  # each (B, 1, H, W)
    lowest = torch.minimum(torch.minimum(red, green), blue)
    chroma = torch.maximum(torch.maximum(red, green), blue).sub_(lowest)
    # The channels less the lowest, over the chroma, lie in 0 to 1, one is 0 and one is 1. So the
    # distance of the hue, in sixths of the circle, from 3, which is opposite to red, is
    # 2 + red - green - blue; the hue is below 3 where there is more green than blue.
    distance = (red - green).sub_(blue).add_(lowest).div_(chroma.clamp(min=TINY)).add_(2)
    hue = (3 + 6 * turn) - torch.copysign(distance, green - blue)
    hue -= (hue / 6).floor_().mul_(6)
    peak, sign, level = (
        _per_channel(values, images.device, images.dtype)
        for values in ((3.0, 2.0, 4.0), (1.0, -1.0, -1.0), (-1.0, 2.0, 2.0))
    )
    ramp = (hue - peak).abs_().mul_(sign).add_(level).clamp_(0, 1)  # (B, 3, H, W)
    return ramp.mul_(chroma).add_(lowest)


def gaussian_blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Return images (B, 3, H, W), each blurred with its own sigma (B,) in pixels.

    `sigma` is on the CPU.
    """
    return _blurred(images, to_device(sigma, images.device), blur_radius(sigma))


def _blurred(images: Tensor, sigma: Tensor, radius: int) -> Tensor:
    """Return images (B, 3, H, W) blurred with sigma (B,), kernels cut at `radius` pixels."""
    batch, channels, height, width = images.shape
    radius = min(radius, height - 1, width - 1)
    steps = torch.arange(-radius, radius + 1, device=images.device, dtype=images.dtype)
    kernel = torch.exp(-0.5 * (steps / sigma.unsqueeze(1)) ** 2)  # (B, 2 radius + 1)
    kernel = kernel / kernel.sum(dim=1, keepdim=True)
    kernel = kernel.repeat_interleave(channels, dim=0)  # (B * 3, 2 radius + 1)
    stacked = images.reshape(1, batch * channels, height, width)
    padded = nn.functional.pad(stacked, (radius, radius, radius, radius), mode="reflect")
    rows = nn.functional.conv2d(padded, kernel[:, None, None, :], groups=batch * channels)
    both = nn.functional.conv2d(rows, kernel[:, None, :, None], groups=batch * channels)
    return both.reshape(batch, channels, height, width)


def _blurred_on_cpu(image: Tensor, sigma: float, radius: int) -> Tensor:
    """Return one image (1, 3, H, W) blurred as `_blurred` does, by adding shifted images.

    The image is one piece of memory, so a shift is a slice of it across all rows. What is added
    across the ends of rows falls into the margin, which is cut off.
    """
    height, width = image.shape[2:]
    radius = min(radius, math.ceil(REACH * sigma), height - 1, width - 1)
    weights = [math.exp(-0.5 * (step / sigma) ** 2) for step in range(-radius, radius + 1)]
    weights = [weight / sum(weights) for weight in weights]
    padded = nn.functional.pad(image, (radius, radius, radius, radius), mode="reflect")
    for shift in (1, padded.shape[3]):  # along rows, then along columns
        line = padded.flatten()
        reached = len(line) - 2 * radius * shift
        padded = torch.zeros(padded.shape)
        blurred = padded.view(-1)[:reached]
        for step, weight in enumerate(weights):
            blurred.add_(line[step * shift : step * shift + reached], alpha=weight)
    return padded.view(1, 3, height + 2 * radius, -1)[:, :, :height, :width]
