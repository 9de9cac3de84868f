"""Settings of the consistency of neighbours, a number without labels that the paper does not
have."""

from typing import Literal

from pydantic import Field

from neco.config.base import Seeds, Shares
from neco.config.protocol import Evaluated
from neco.config.training import Photometric


class Consistency(Evaluated):
    """Consistency of neighbours: the share of a place's nearest patches in other images that two
    views of the place have in common. This is what NeCo trains, measured without labels; the paper
    does not have it. There are no classes, so `absent` and `ignored_class` have no effect."""

    preset: Literal["paper"] = "paper"
    """Named starting point. There is only `paper`: the defaults."""
    image_size: int = Field(224, ge=8)
    """Width and height of a crop in pixels, rounded down to a multiple of the patch size. Larger
    crops have finer patches and take longer."""
    crop_scale: Shares = (0.25, 1.0)
    """Smallest and largest share of the image's area that a crop covers, by default that of NeCo's
    global crops. With higher values two crops have more of the image in common and agree more."""
    flip_probability: float = Field(0.5, ge=0.0, le=1.0)
    """Probability that a crop is mirrored, left to right. With a higher value, up to 0.5, views
    agree less."""
    photometric: Photometric = Photometric()
    """Colour changes of each view, by default those of training."""
    aligned_size: int = Field(7, ge=1)
    """Rows and columns of places that are compared in each pair of views, from the region that both
    show. A higher value compares more places and takes longer."""
    neighbours: int = Field(10, ge=1)
    """Number of nearest references of each view that are compared. With a higher value the views
    have a larger share of them in common."""
    references: int = Field(1024, ge=2)
    """Number of patches of other images that every place is compared with. Among more of them the
    neighbours lie closer together, and views agree less."""
    images: int = Field(1000, ge=2)
    """Largest number of held-out images that are used, drawn anew for each seed. More images make
    the result steadier and take longer."""
    seeds: Seeds = [0, 1, 2]
    """Seeds that draw images, views and references. Each is a result, and tables show the mean over
    seeds."""
