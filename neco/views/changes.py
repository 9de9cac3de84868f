"""Which colour changes each view gets: settings come in, the changes of N views come out.

They are drawn on the CPU, for a whole batch at once.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from neco.config.training import Photometric


class Changes(NamedTuple):
    """The colour changes of N views, on the CPU.

    Every process draws them for the whole batch and takes those of its own views. So several
    processes change views as one process would.
    """

    strengths: Tensor
    """float (8, N). Its rows are: whether the view is jittered (1 or 0); the factors of brightness,
    contrast and saturation; the turn of the hue (1 is a full circle); whether it turns grey;
    whether it is blurred; the sigma of the blur in pixels."""
    order: tuple[int, ...]
    """The order of the four jitter changes: 0 brightness, 1 contrast, 2 saturation, 3 hue."""
    radius: int
    """How many pixels the widest blur of the batch reaches."""


def draw_changes(views: int, settings: Photometric, generator: torch.Generator) -> Changes:
    """Return the changes of `views` views. `generator` is on the CPU.

    Strengths are drawn for each view, as in Leopart. The order of the four jitter changes is drawn
    once for all views.
    """

    def uniform(low: float, high: float) -> Tensor:
        return torch.empty(views).uniform_(low, high, generator=generator)

    def chance(probability: float) -> Tensor:
        return (uniform(0.0, 1.0) < probability).float()

    jittered = chance(settings.jitter_probability)
    factors = [
        uniform(max(0.0, 1 - strength), 1 + strength)
        for strength in (settings.brightness, settings.contrast, settings.saturation)
    ]
    turn = uniform(-settings.hue, settings.hue)
    order = torch.randperm(4, generator=generator).tolist()
    if settings.hue == 0:
        order.remove(3)
    gray = chance(settings.grayscale_probability)
    blurred = chance(settings.blur_probability)
    sigma = uniform(*settings.blur_sigma)
    strengths = torch.stack([jittered, *factors, turn, gray, blurred, sigma])
    return Changes(strengths, tuple(order), blur_radius(sigma))


def blur_radius(sigma: Tensor) -> int:
    """Return how many pixels a Gaussian of the widest sigma reaches: four deviations."""
    return int(4 * float(sigma.max()) + 0.5) if len(sigma) else 0
