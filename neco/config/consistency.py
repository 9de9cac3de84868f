"""Settings of the consistency of neighbours, a number without labels that the paper has not."""

from typing import Literal

from pydantic import Field

from neco.config.protocol import Evaluated
from neco.config.training import Photometric


class Consistency(Evaluated):
    """How far two views of a place agree about which reference patches are nearest.

    It is what NeCo trains, measured directly. Of the settings that all protocols share only
    `bootstrap` is looked at: there are no classes.
    """

    preset: Literal["paper"] = "paper"
    """The only named starting point: the defaults."""
    image_size: int = Field(224, ge=8)
    """Side of a view in pixels, rounded down to a multiple of the patch size."""
    crop_scale: tuple[float, float] = (0.25, 1.0)
    """Range of a view's share of the image's area, as of NeCo's global crops. Smaller views have
    less of the image in common and agree less."""
    flip_probability: float = Field(0.5, ge=0.0, le=1.0)
    photometric: Photometric = Photometric()
    """Colour changes of each view, those of training."""
    aligned_size: int = Field(7, ge=1)
    """Side x side places of each pair of views are compared, aligned as the loss does."""
    neighbours: int = Field(10, ge=1)
    """k: how many nearest references count. More of them are easier to have in common."""
    references: int = Field(1024, ge=2)
    """Patches of other images that every place is compared with. Among more of them neighbours are
    nearer to each other, and views agree less."""
    images: int = Field(1000, ge=2)
    """Images of the held-out split that are looked at, at most; drawn anew for each seed."""
    seeds: list[int] = [0, 1, 2]
    """Of images, views and references."""
