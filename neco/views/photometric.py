"""Colour changes of whole batches of views, on the device that holds them.

Views come in with values from 0 to 255; normalised ones come out. All random strengths were drawn
on the CPU (changes.py), so the host never waits for the device here.
"""

import math
from functools import lru_cache

import torch
from torch import Tensor, nn

from neco.config.training import Photometric
from neco.normalisation import IMAGENET
from neco.share import ALONE, Share
from neco.views.changes import Changes, draw_changes
from neco.views.transfer import to_device

LUMINANCE = (0.299, 0.587, 0.114)
TINY = 1e-20
"""What a chroma of 0 is divided by instead of 0. The hue is then 0, whatever the divisor."""
REACH = 5
"""How many standard deviations a blur on a CPU reaches. Pixels further out weigh less than 1e-6."""


def photometric(
    views: Tensor, settings: Photometric, generator: torch.Generator, share: Share = ALONE
) -> Tensor:
    """Return views (N, 3, H, W) with their colours changed at random, normalised, float32.

    views: (N, 3, H, W) in 0 to 255, this process's share of the batch.
    generator: on the CPU, so that a seed gives the same strengths whatever the device is. Strengths
    are drawn for the whole batch.
    """
    changes = draw_changes(len(views) * share.processes, settings, generator)
    return recoloured(views, changes._replace(strengths=share.of(changes.strengths.T).T))


def recoloured(views: Tensor, changes: Changes) -> Tensor:
    """Return views (N, 3, H, W) with the given changes of their colours, normalised, float32.

    views: (N, 3, H, W) in 0 to 255. changes: those of these N views. A GPU makes every change to
    all views and keeps those that were drawn. A CPU makes only the changes that were drawn, one
    view after the other, so that a view stays in its cache.
    """
    if views.device.type != "cpu":
        return recoloured_together(views, changes)
    changed = torch.empty(views.shape)
    mean, std = (_per_channel(values, views.device, changed.dtype) for values in IMAGENET)
    drawn = changes.strengths.T.tolist()
    for result, view, (jittered, *factors, gray, blurred, sigma) in zip(
        changed.split(1), views.split(1), drawn, strict=True
    ):
        # Workers stack PIL's pixels, in which the three colours of one pixel lie together.
        image = view.to(torch.float32, memory_format=torch.contiguous_format) / 255
        for change in changes.order if jittered else ():
            image = _jittered(image, change, factors[change])
        if gray:
            image = luminance(image).expand(-1, 3, -1, -1)
        if blurred:
            image = _blurred_on_cpu(image, sigma, changes.radius)
        torch.sub(image, mean, out=result).div_(std)
    return changed


def recoloured_together(views: Tensor, changes: Changes) -> Tensor:
    """Return what `recoloured` does, for all views at once and without waiting for the device."""
    strengths = to_device(changes.strengths, views.device)[..., None, None, None]
    jittered, *factors, gray, blurred, sigma = strengths.unbind()
    images = views.float() / 255
    changed = images
    for change in changes.order:
        changed = _jittered(changed, change, factors[change])
    images = torch.where(jittered > 0, changed, images)
    images = torch.where(gray > 0, luminance(images).expand_as(images), images)
    blurry = gaussian_blur(images, sigma.flatten(), changes.radius)
    images = torch.where(blurred > 0, blurry, images)
    return normalise(images)


def _jittered(images: Tensor, change: int, strength: Tensor | float) -> Tensor:
    """Return images (N, 3, H, W) in 0 to 1 after one of the four jitter changes.

    change: its number (see `Changes.order`). strength: one number, or (N, 1, 1, 1).
    """
    if change == 0:
        return (images * strength).clamp_(0, 1)
    if change == 3:
        return turn_hue(images, strength)
    middle = luminance(images)  # (N, 1, H, W)
    if change == 1:
        middle = middle.mean(dim=(2, 3), keepdim=True)
    return (images - middle).mul_(strength).add_(middle).clamp_(0, 1)


def normalise(images: Tensor) -> Tensor:
    """Return images (N, 3, H, W) in 0 to 1, normalised by ImageNet's mean and deviation."""
    mean, std = (_per_channel(values, images.device, images.dtype) for values in IMAGENET)
    return (images - mean) / std


def luminance(images: Tensor) -> Tensor:
    """Return the luminance (N, 1, H, W) of RGB images (N, 3, H, W)."""
    red, green, blue = images.split(1, dim=1)
    return (red * LUMINANCE[0]).add_(green, alpha=LUMINANCE[1]).add_(blue, alpha=LUMINANCE[2])


@lru_cache(maxsize=32)
def _per_channel(values: tuple[float, ...], device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return three numbers as a tensor (1, 3, 1, 1). Each is kept: making it waits for the GPU."""
    return torch.tensor(values, device=device, dtype=dtype).view(1, 3, 1, 1)


def turn_hue(images: Tensor, turn: Tensor | float) -> Tensor:
    """Return RGB images (N, 3, H, W) in 0 to 1 with their hue turned.

    turn: a share of the full circle, as one number or (N, 1, 1, 1). The hue is the hexagonal one of
    HSV, as in torchvision's adjust_hue.
    """
    red, green, blue = images.split(1, dim=1)  # each (N, 1, H, W)
    lowest = torch.minimum(torch.minimum(red, green), blue)
    chroma = torch.maximum(torch.maximum(red, green), blue).sub_(lowest)
    # Take the lowest channel away from all three and divide them by the chroma: one becomes 0, one
    # becomes 1, and the third lies between. The hue in sixths of the circle is 3 opposite to red,
    # and its distance from 3 is then 2 + red - green - blue. It is below 3 where green exceeds
    # blue.
    distance = (red - green).sub_(blue).add_(lowest).div_(chroma.clamp(min=TINY)).add_(2)
    hue = (3 + 6 * turn) - torch.copysign(distance, green - blue)
    hue -= (hue / 6).floor_().mul_(6)
    peak, sign, level = (
        _per_channel(values, images.device, images.dtype)
        for values in ((3.0, 2.0, 4.0), (1.0, -1.0, -1.0), (-1.0, 2.0, 2.0))
    )
    ramp = (hue - peak).abs_().mul_(sign).add_(level).clamp_(0, 1)  # (N, 3, H, W)
    return ramp.mul_(chroma).add_(lowest)


def gaussian_blur(images: Tensor, sigma: Tensor, radius: int) -> Tensor:
    """Return images (N, 3, H, W), each blurred with its own sigma.

    sigma: (N,) in pixels, on the images' device. radius: of the kernels, in pixels.
    """
    count, channels, height, width = images.shape
    radius = min(radius, height - 1, width - 1)
    steps = torch.arange(-radius, radius + 1, device=images.device, dtype=images.dtype)
    kernel = torch.exp(-0.5 * (steps / sigma.unsqueeze(1)) ** 2)  # (N, 2 radius + 1)
    kernel = kernel / kernel.sum(dim=1, keepdim=True)
    kernel = kernel.repeat_interleave(channels, dim=0)  # (N * 3, 2 radius + 1)
    stacked = images.reshape(1, count * channels, height, width)
    padded = nn.functional.pad(stacked, (radius, radius, radius, radius), mode="reflect")
    rows = nn.functional.conv2d(padded, kernel[:, None, None, :], groups=count * channels)
    both = nn.functional.conv2d(rows, kernel[:, None, :, None], groups=count * channels)
    return both.reshape(count, channels, height, width)


def _blurred_on_cpu(image: Tensor, sigma: float, radius: int) -> Tensor:
    """Return one image (1, 3, H, W) blurred as by `gaussian_blur`, by adding shifted images.

    The image lies in one piece of memory, so shifting it is taking a slice of that piece. Pixels
    that a shift brings from the end of one row into the next land in the margin, which is cut off.
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
