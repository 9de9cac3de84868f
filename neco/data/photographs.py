"""Photographs of any kind: an encoded file comes in, upright 8-bit RGB comes out.

Files that Pillow reads as that already are linked as they are. The others are written anew. They
are turned as their EXIF data say, 16 bits and floats are scaled by their type's range (65,535 or
1.0 is white), and transparent pixels are laid over white. JPEGs become JPEGs of quality 95, and all
others become PNG. Of several frames the first is taken.
"""

import io
import warnings
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from neco.data.dataset import BROKEN_IMAGE
from neco.data.kinds import HEAD, other_kind
from neco.data.left_out import UnusableError

SUFFIXES = {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif"),
    *(".jp2", ".mpo", ".ppm", ".pgm", ".pbm"),
}
OTHER_SUFFIXES = {
    *(".heic", ".heif", ".jxl", ".raw", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2"),
    *(".raf", ".exr", ".dcm", ".tga"),
}
"""Suffixes of photographs of kinds that are not read here."""
LARGEST = 2 * (Image.MAX_IMAGE_PIXELS or 0)
"""Most pixels of a photograph. Pillow calls a larger one a decompression bomb."""
SMALLEST = 16
"""Fewest pixels of the shorter side: a ViT's patch has 14 or 16."""
ORIENTATION = 0x0112
PLAIN = ("RGB", "L", "P", "1", "CMYK", "YCbCr")
"""Modes that `convert("RGB")` converts as one would expect."""


class Photograph(NamedTuple):
    """A photograph that was read whole."""

    size: tuple[int, int]
    """Width and height as they are used, after turning."""
    kinds: tuple[str, ...] = ()
    """What had to be done, in words that a summary counts."""
    copy: bytes | None = None
    """The content of the file to use instead. None where the photograph itself can be used."""
    suffix: str = ""
    """The suffix of that file."""
    stored: tuple[int, int] = (0, 0)
    """Width and height of the stored pixels."""


def read_photograph(data: bytes, where: object, upright: bool = True) -> Photograph:
    """Return how an encoded photograph is used.

    upright: turn it as its EXIF data say. Raises UnusableError naming `where` for one that is
    broken, too large, too small, or holds numbers whose range nobody states.
    """
    with warnings.catch_warnings():  # Pillow's, of damage that it can live with
        warnings.simplefilter("ignore")
        return _read(data, where, upright)


def _read(data: bytes, where: object, upright: bool) -> Photograph:
    try:
        with opened(data, where) as image:
            stored = image.size
            kinds = _kinds(image, upright)
            if not kinds or kinds == ["first frame of several"]:
                image.draft(image.mode, (max(1, stored[0] // 8), max(1, stored[1] // 8)))
                image.load()
                return Photograph(stored, tuple(kinds), stored=stored)
            image.load()
            turned = turned_upright(image) if upright else image
            pixels = _eight_bits(turned, where)
            form = "JPEG" if image.format in ("JPEG", "MPO") else "PNG"
    except BROKEN_IMAGE as error:
        raise damaged(error, where) from None
    buffer = io.BytesIO()
    pixels.save(buffer, form, **({"quality": 95, "subsampling": 0} if form == "JPEG" else {}))
    suffix = ".jpg" if form == "JPEG" else ".png"
    return Photograph(pixels.size, tuple(kinds), buffer.getvalue(), suffix, stored)


def colours_of(image: Image.Image, where: object) -> Image.Image:
    """Return an opened image as `read_photograph` would use it: upright 8-bit RGB.

    Raises UnusableError naming `where` for one that is broken or closed, or holds numbers whose
    range nobody states.
    """
    try:
        image.load()
        return _eight_bits(turned_upright(image), where).convert("RGB")
    except BROKEN_IMAGE as error:
        raise damaged(error, where) from None


def opened(data: bytes, where: object) -> Image.Image:
    """Return the opened image, not decoded yet. Raises UnusableError for its size or kind."""
    if not data:
        raise UnusableError("empty", f"{where}: is an empty file; replace or remove it")
    kind = other_kind(data[:HEAD], "image")
    if kind:
        raise UnusableError("no image", f"{where}: is {kind}, not an image; replace or remove it")
    try:
        image = Image.open(io.BytesIO(data))  # it warns from half of our limit on
    except Image.DecompressionBombError:  # before the kinds that stand for damage
        raise UnusableError(
            "too large",
            f"{where}: has more than {LARGEST:,} pixels; shrink it or cut it into tiles",
        ) from None
    except BROKEN_IMAGE as error:
        raise damaged(error, where) from None
    if min(image.size) < SMALLEST:
        raise UnusableError(
            "too small",
            f"{where}: is {image.width}x{image.height}, less than a patch ({SMALLEST} pixels); "
            "remove it",
        )
    return image


def damaged(error: Exception, where: object) -> UnusableError:
    """Return the error for an image that cannot be decoded."""
    reason = " ".join(str(error).split()) or type(error).__name__
    reason = "no image of a known kind" if isinstance(error, UnidentifiedImageError) else reason
    return UnusableError(
        "truncated or damaged",
        f"{where}: truncated or damaged image ({reason}); replace or remove it",
    )


def turned_upright(image: Image.Image) -> Image.Image:
    """Return a decoded image turned as its EXIF data say; damaged EXIF data say nothing."""
    return ImageOps.exif_transpose(image) if _orientation(image) != 1 else image


def _orientation(image: Image.Image) -> int:
    if image.format == "TIFF":  # Pillow turns these itself when it decodes them
        return 1
    try:
        value = image.getexif().get(ORIENTATION, 1)
    except Exception:  # Pillow raises a dozen kinds on damaged EXIF data
        return 1
    return value if value in range(1, 9) else 1


def _kinds(image: Image.Image, upright: bool) -> list[str]:
    """Return what has to be done to an opened image, in words."""
    kinds = []
    if upright and _orientation(image) != 1:
        kinds.append("turned upright by EXIF")
    if image.mode.startswith("I") or image.mode == "F":
        kinds.append("scaled to 8 bits")
    elif image.mode in ("LA", "PA", "RGBA", "RGBa", "La") or "transparency" in image.info:
        kinds.append("with transparency laid over white")
    elif image.mode not in PLAIN:
        kinds.append(f"converted from {image.mode}")
    if getattr(image, "n_frames", 1) > 1:
        kinds.append("first frame of several")
    return kinds


def _eight_bits(image: Image.Image, where: object) -> Image.Image:
    """Return a decoded image as 8-bit RGB or grey."""
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_scaled(np.array(image), image.mode, where))
    if image.mode in ("LA", "PA", "RGBA", "RGBa", "La") or "transparency" in image.info:
        layered = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered).convert(
            "RGB"
        )
    return image.convert("RGB")


def _scaled(values: np.ndarray, mode: str, where: object) -> np.ndarray:
    """Return grey values scaled by their type's range, uint8 (H, W)."""
    low, high = float(values.min()), float(values.max())
    white = 1.0 if mode == "F" else 65535.0
    if not (low >= 0 and high <= white):  # also where one is not a number
        raise UnusableError(
            "of unknown range",
            f"{where}: holds values from {low:g} to {high:g}, whose white is not known (floats are "
            "0 to 1, integers 16 bits); convert it to 8 or 16 bits",
        )
    scaled: np.ndarray = (values.astype(np.float64) * (255 / white)).round().astype(np.uint8)
    return scaled
