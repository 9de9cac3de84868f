"""ImageNet's colour statistics, which every backbone of the paper expects of its images."""

Colour = tuple[float, float, float]
Normalisation = tuple[Colour, Colour]
"""Mean and standard deviation of red, green and blue, for images in 0 to 1."""
IMAGENET: Normalisation = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
