"""Class colours that the archives do not hold."""

from neco.data.classes import voc_colours


def test_voc_colours_are_those_of_the_devkit() -> None:
    """Values of the official label images, and a loop over bits as a twin."""
    known = {0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0), 15: (192, 128, 128), 20: (0, 64, 128),
             255: (224, 224, 192)}  # fmt: skip
    colours = voc_colours()
    for index, colour in known.items():
        assert tuple(colours[index]) == colour
    for index in range(256):
        red = green = blue = 0
        number = index
        for shift in range(7, -1, -1):
            red |= (number & 1) << shift
            green |= (number >> 1 & 1) << shift
            blue |= (number >> 2 & 1) << shift
            number >>= 3
        assert tuple(colours[index]) == (red, green, blue)
