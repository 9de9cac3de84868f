"""Colour changes of whole batches of crops, on the device that holds them.

Images are float (N, 3, H, W) in 0 to 1 until normalised. Nothing here waits for the device: what
steers the arithmetic was drawn on the CPU (changes.py).
"""

from functools import lru_cache

import torch
from torch import Tensor, nn

from neco.config.training import Photometric
from neco.normalisation import IMAGENET
from neco.share import ALONE, Share
from neco.views.changes import Changes, blur_radius, draw_changes
from neco.views.transfer import to_device

LUMINANCE = (0.299, 0.587, 0.114)


def photometric(
    crops: Tensor, settings: Photometric, generator: torch.Generator, share: Share = ALONE
) -> Tensor:
    """Return normalised float views (N, 3, H, W) of crops (N, 3, H, W) in 0 to 255.

    `generator` lives on the CPU, so that the same seed gives the same strengths on any device. The
    strengths are drawn for the whole batch, of which `crops` are a process's share.
    """
    changes = draw_changes(len(crops) * share.processes, settings, generator)
    return recoloured(crops, changes._replace(strengths=share.of(changes.strengths.T).T))


def recoloured(crops: Tensor, changes: Changes) -> Tensor:
    """Return normalised float views (N, 3, H, W) of crops (N, 3, H, W) in 0 to 255.

    `changes` are those of these N crops.
    """
    strengths = to_device(changes.strengths, crops.device)[..., None, None, None]
    jittered, brightness, contrast, saturation, turn, gray, blurred, sigma = strengths.unbind()
    images = crops.float() / 255
    changed = images
    for change in changes.order:
        if change == 0:
            changed = (changed * brightness).clamp(0, 1)
        elif change == 1:
            mean = luminance(changed).mean(dim=(2, 3), keepdim=True)
            changed = (mean + (changed - mean) * contrast).clamp(0, 1)
        elif change == 2:
            grays = luminance(changed)
            changed = (grays + (changed - grays) * saturation).clamp(0, 1)
        else:
            changed = turn_hue(changed, turn)
    images = torch.where(jittered > 0, changed, images)
    images = torch.where(gray > 0, luminance(images).expand_as(images), images)
    images = torch.where(blurred > 0, _blurred(images, sigma.flatten(), changes.radius), images)
    return normalise(images)


def normalise(images: Tensor) -> Tensor:
    """Return images (B, 3, H, W) in 0 to 1, normalised by ImageNet's mean and deviation."""
    mean = _per_channel(tuple(IMAGENET[0]), images.device, images.dtype)
    std = _per_channel(tuple(IMAGENET[1]), images.device, images.dtype)
    return (images - mean) / std


def luminance(images: Tensor) -> Tensor:
    """Return (B, 1, H, W) of RGB (B, 3, H, W)."""
    weights = _per_channel(LUMINANCE, images.device, images.dtype)
    return (images * weights).sum(dim=1, keepdim=True)


@lru_cache(maxsize=32)
def _per_channel(values: tuple[float, ...], device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return constants (1, 3, 1, 1), kept: making them on a GPU would wait for it every time."""
    return torch.tensor(values, device=device, dtype=dtype).view(1, 3, 1, 1)


def turn_hue(images: Tensor, turn: Tensor) -> Tensor:
    """Return RGB images (B, 3, H, W) with their hue moved by `turn` (B, 1, 1, 1), 1 = full circle.

    Works on the hexagonal hue of HSV, as torchvision's adjust_hue does.
    """
    red, green, blue = images.unbind(dim=1)  # each (B, H, W)
    value, lowest = images.amax(dim=1), images.amin(dim=1)
    chroma = value - lowest
    safe = torch.where(chroma > 0, chroma, torch.ones_like(chroma))
    hue = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    turned = hue + 6 * turn.squeeze(1)  # (B, H, W), in sixths of the circle
    offsets = _per_channel((5.0, 3.0, 1.0), images.device, images.dtype)
    k = (offsets + turned.unsqueeze(1)) % 6
    ramp = torch.minimum(k, 4 - k).clamp(0, 1)
    return value.unsqueeze(1) - chroma.unsqueeze(1) * ramp


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
