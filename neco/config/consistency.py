"""Settings of the consistency of neighbours, a number without labels that the paper does not
have."""

from typing import Literal

from pydantic import Field

from neco.config.base import Seeds, Shares
from neco.config.protocol import Evaluated
from neco.config.training import Photometric


class Consistency(Evaluated):
    """Consistency of neighbours: how far two views of a place agree about which patches of other
    images are nearest.

    This is what NeCo trains, measured directly and without labels; the paper does not have it.
    There are no classes, so of the settings that all protocols share only `bootstrap` acts."""

    preset: Literal["paper"] = "paper"
    """Named starting point. There is only `paper`: the defaults."""
    image_size: int = Field(224, ge=8)
    """Width and height of a view in pixels, rounded down to a multiple of the patch size. Larger
    views have finer patches and take longer."""
    crop_scale: Shares = (0.25, 1.0)
    """Smallest and largest share of the image's area that a view covers, by default that of NeCo's
    global crops. Lower values give views that have less of the image in common and agree less."""
    flip_probability: float = Field(0.5, ge=0.0, le=1.0)
    """Probability that a view is mirrored, left to right. At 0 views agree more."""
    photometric: Photometric = Photometric()
    """Colour changes of each view, by default those of training."""
    aligned_size: int = Field(7, ge=1)
    """Rows and columns of places that are compared in each pair of views, aligned as the loss
    aligns them. A higher value compares more places and takes longer."""
    neighbours: int = Field(10, ge=1)
    """Number k of nearest references that both views should have in common. More of them are easier
    to have in common."""
    references: int = Field(1024, ge=2)
    """Patches of other images that every place is compared with. Among more of them the neighbours
    lie closer together, and views agree less."""
    images: int = Field(1000, ge=2)
    """Largest number of images of the held-out split that are looked at, drawn anew for each seed.
    More images make the result steadier and take longer."""
    seeds: Seeds = [0, 1, 2]
    """Seeds that draw images, views and references; each is a result, and tables show the mean over
    seeds."""
