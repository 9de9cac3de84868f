"""The mean and deviation that images are normalised with: a setting comes in, both come out."""

from typing import Literal

Colour = tuple[float, float, float]
Normalisation = tuple[Colour, Colour]
"""Mean and standard deviation of red, green and blue, for images in 0 to 1."""
IMAGENET: Normalisation = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""ImageNet's statistics, which every backbone of the paper expects."""

Colours = Literal["backbone", "hummingbird", "cribo"]
"""The backbone's own statistics, or those of a released evaluation."""
RELEASED: dict[Colours, Normalisation] = {
    "hummingbird": (IMAGENET[0], (0.229, 0.224, 0.255)),
    "cribo": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}
"""The statistics of open-hummingbird-eval, which has 0.255 where ImageNet has 0.225, and of CrIBo's
Segmenter, which has 127.5 of 255."""


def normalisation_of(colours: Colours, own: Normalisation) -> Normalisation:
    """Return what a setting `colours` means for a backbone with the statistics `own`."""
    return RELEASED.get(colours, own)
