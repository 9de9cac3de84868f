"""Colour changes of whole batches of crops, on the device that holds them.

Every crop draws its own strength of every change, as in Leopart; the order of the four jitter
changes is drawn once a batch. Images are float (B, 3, H, W) in 0 to 1 until normalised.
"""

import torch
from torch import Tensor, nn

from neco.config.training import Photometric
from neco.normalisation import IMAGENET
from neco.share import ALONE, Share

LUMINANCE = (0.299, 0.587, 0.114)


def photometric(
    crops: Tensor, settings: Photometric, generator: torch.Generator, share: Share = ALONE
) -> Tensor:
    """Return normalised float views (B, 3, H, W) of uint8 crops (B, 3, H, W).

    `generator` lives on the CPU, so that the same seed gives the same strengths on any device. The
    strengths are drawn for the whole batch, of which `crops` are a process's share.
    """
    images = crops.float() / 255
    images = _jitter(images, settings, generator, share)
    gray = _chance(images, settings.grayscale_probability, generator, share)
    images = torch.where(gray, luminance(images).expand_as(images), images)
    images = _blur(images, settings, generator, share)
    return normalise(images)


def normalise(images: Tensor) -> Tensor:
    """Return images (B, 3, H, W) in 0 to 1, normalised by ImageNet's mean and deviation."""
    mean = images.new_tensor(IMAGENET[0]).view(1, 3, 1, 1)
    std = images.new_tensor(IMAGENET[1]).view(1, 3, 1, 1)
    return (images - mean) / std


def luminance(images: Tensor) -> Tensor:
    """Return (B, 1, H, W) of RGB (B, 3, H, W)."""
    weights = images.new_tensor(LUMINANCE).view(1, 3, 1, 1)
    return (images * weights).sum(dim=1, keepdim=True)


def _uniform(
    images: Tensor, low: float, high: float, generator: torch.Generator, share: Share
) -> Tensor:
    """Return one number per image, (B, 1, 1, 1)."""
    whole = torch.empty(images.shape[0] * share.processes, 1, 1, 1)
    return share.of(whole.uniform_(low, high, generator=generator)).to(images.device)


def _chance(images: Tensor, probability: float, generator: torch.Generator, share: Share) -> Tensor:
    """Return which images are changed, bool (B, 1, 1, 1)."""
    return _uniform(images, 0.0, 1.0, generator, share) < probability


def _jitter(
    images: Tensor, settings: Photometric, generator: torch.Generator, share: Share
) -> Tensor:
    chosen = _chance(images, settings.jitter_probability, generator, share)
    factors = [
        _uniform(images, max(0.0, 1 - strength), 1 + strength, generator, share)
        for strength in (settings.brightness, settings.contrast, settings.saturation)
    ]
    turn = _uniform(images, -settings.hue, settings.hue, generator, share)
    changed = images
    for change in torch.randperm(4, generator=generator).tolist():
        if change == 0:
            changed = (changed * factors[0]).clamp(0, 1)
        elif change == 1:
            mean = luminance(changed).mean(dim=(2, 3), keepdim=True)
            changed = (mean + (changed - mean) * factors[1]).clamp(0, 1)
        elif change == 2:
            gray = luminance(changed)
            changed = (gray + (changed - gray) * factors[2]).clamp(0, 1)
        elif settings.hue > 0:
            changed = turn_hue(changed, turn)
    return torch.where(chosen, changed, images)


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
    offsets = images.new_tensor([5.0, 3.0, 1.0]).view(1, 3, 1, 1)
    k = (offsets + turned.unsqueeze(1)) % 6
    ramp = torch.minimum(k, 4 - k).clamp(0, 1)
    return value.unsqueeze(1) - chroma.unsqueeze(1) * ramp


def _blur(
    images: Tensor, settings: Photometric, generator: torch.Generator, share: Share
) -> Tensor:
    chosen = _chance(images, settings.blur_probability, generator, share)
    whole = torch.empty(images.shape[0] * share.processes)
    whole.uniform_(*settings.blur_sigma, generator=generator)
    sigma = share.of(whole).to(images.device)
    return torch.where(chosen, gaussian_blur(images, sigma, float(whole.max())), images)


def gaussian_blur(images: Tensor, sigma: Tensor, widest: float | None = None) -> Tensor:
    """Return images (B, 3, H, W), each blurred with its own sigma (B,) in pixels.

    Kernels are cut at four times `widest`, by default the largest sigma.
    """
    widest = float(sigma.max()) if widest is None else widest
    batch, channels, height, width = images.shape
    radius = min(int(4 * widest + 0.5), height - 1, width - 1)
    steps = torch.arange(-radius, radius + 1, device=images.device, dtype=images.dtype)
    kernel = torch.exp(-0.5 * (steps / sigma.unsqueeze(1)) ** 2)  # (B, 2 radius + 1)
    kernel = kernel / kernel.sum(dim=1, keepdim=True)
    kernel = kernel.repeat_interleave(channels, dim=0)  # (B * 3, 2 radius + 1)
    stacked = images.reshape(1, batch * channels, height, width)
    padded = nn.functional.pad(stacked, (radius, radius, radius, radius), mode="reflect")
    rows = nn.functional.conv2d(padded, kernel[:, None, None, :], groups=batch * channels)
    both = nn.functional.conv2d(rows, kernel[:, None, :, None], groups=batch * channels)
    return both.reshape(batch, channels, height, width)
