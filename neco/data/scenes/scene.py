"""One scene: a seed comes in, an image and its labels come out.

A scene has stuff, things in front of one another, and light.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from neco.data.scenes.shapes import MATERIALS, THINGS, USUAL, sketch_thing
from neco.data.scenes.surfaces import (
    STUFF,
    TEXTURES,
    random_colour,
    smooth_noise,
    stuff,
    texture,
)

OVERSAMPLING = 2
USUAL_COLOUR = 0.7
USUAL_TEXTURE = 0.7
"""How probable it is that a part has the usual colour, or texture, of its class."""
THING_NAMES = list(THINGS)
SETTINGS: list[tuple[list[str], list[str]]] = [
    (["sky-other"], ["grass"]),
    (["sky-other"], ["sea"]),
    (["sky-other", "sea"], ["sand"]),
    (["sky-other", "building-other"], ["road"]),
    (["building-other"], ["road", "grass"]),
    (["wall-brick"], ["road"]),
    (["wall-other"], ["floor-wood"]),
    (["wall-brick"], ["floor-wood"]),
]
"""Stuff above and below the horizon, each from far to near."""


@dataclass(frozen=True)
class Scene:
    """A generated photograph with its labels."""

    image: np.ndarray
    """uint8 (H, W, 3)"""
    instances: np.ndarray
    """uint8 (H, W): 0 for stuff, else 1 + index into `things`"""
    stuff: np.ndarray
    """uint8 (H, W): index into STUFF of what lies behind or beside the things"""
    things: list[str]

    def thing_classes(self) -> np.ndarray:
        """Return uint8 (H, W): 0 where there is stuff, else 1 + index into THING_NAMES."""
        of_instance = [0, *(1 + THING_NAMES.index(name) for name in self.things)]
        return np.array(of_instance, dtype=np.uint8)[self.instances]


def render_scene(seed: int, index: int, height: int, width: int) -> Scene:
    """Return scene `index` of a seed, with one to four things.

    The same arguments give the same pixels.
    """
    rng = np.random.default_rng([seed, index])
    side = min(height, width) * OVERSAMPLING
    placed = []
    for depth in np.sort(rng.uniform(0.0, 1.0, int(rng.integers(1, 5)))):
        name = str(rng.choice(THING_NAMES))
        size = (0.18 + 0.26 * depth) * side * rng.uniform(0.75, 1.3)
        centre = (rng.uniform(0.1, 0.9), rng.uniform(0.25, 0.8))
        placed.append(_Placed(name, float(size), centre))
    return _render(rng, placed, height, width)


def render_portrait(seed: int, index: int, side: int) -> Scene:
    """Return a square scene of one thing in the middle, as in object-centric datasets."""
    rng = np.random.default_rng([seed, index])
    size = rng.uniform(0.24, 0.45) * side * OVERSAMPLING
    centre = (rng.uniform(0.42, 0.58), rng.uniform(0.42, 0.58))
    return _render(rng, [_Placed(str(rng.choice(THING_NAMES)), size, centre)], side, side)


class _Placed(NamedTuple):
    """A thing to draw: its half extent in canvas pixels, its centre as shares of the canvas."""

    name: str
    size: float
    centre: tuple[float, float]


def _render(rng: np.random.Generator, placed: list[_Placed], height: int, width: int) -> Scene:
    tall, wide = height * OVERSAMPLING, width * OVERSAMPLING
    colours, stuff_labels = _backdrop(rng, tall, wide)
    instances = np.zeros((tall, wide), dtype=np.uint8)
    things: list[str] = []
    light = rng.uniform(0, 2 * np.pi)
    for thing in placed:
        materials = _place(thing, rng, tall, wide)
        if not materials.any():
            continue
        things.append(thing.name)
        _shadow(colours, materials > 0, rng)
        _paint(colours, materials, thing.name, rng, light)
        instances[materials > 0] = len(things)
    image = _photograph(colours, rng, (width, height))
    middle = OVERSAMPLING // 2
    return Scene(
        image,
        instances[middle::OVERSAMPLING, middle::OVERSAMPLING].copy(),
        stuff_labels[middle::OVERSAMPLING, middle::OVERSAMPLING].copy(),
        things,
    )


def _backdrop(rng: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return colours (H, W, 3) and stuff labels (H, W) of an empty scene."""
    above, below = SETTINGS[int(rng.integers(len(SETTINGS)))]
    horizon = rng.uniform(0.3, 0.7) * height
    slope = rng.uniform(-0.12, 0.12)
    y, x = np.mgrid[:height, :width]
    ripple = 0.06 * height * (smooth_noise(rng, height, width, 4)[:1] - 0.5)
    line = horizon + slope * (x - width / 2) + ripple
    colours = np.zeros((height, width, 3), dtype=np.float32)
    labels = np.zeros((height, width), dtype=np.uint8)
    layers = [(above[0], np.ones((height, width), dtype=bool))]
    for name in above[1:]:
        skyline = line - rng.uniform(0.1, 0.35) * height * _steps(rng, width)
        layers.append((name, y > skyline))
    layers.append((below[0], y > line))
    for name in below[1:]:
        layers.append((name, y > line + rng.uniform(0.1, 0.3) * height))
    for name, where in layers:
        rows = np.nonzero(where.any(1))[0]
        first, last = rows[0], rows[-1] + 1
        surface = stuff(name, rng, int(last - first), width)
        np.copyto(
            colours[first:last], surface, where=where[first:last, :, None], casting="same_kind"
        )
        labels[where] = STUFF.index(name)
    return colours, labels


def _steps(rng: np.random.Generator, width: int) -> np.ndarray:
    """Return a blocky outline (1, width) in 0.4 to 1, such as roofs have."""
    blocks = rng.uniform(0.4, 1.0, 5)
    return blocks[np.minimum(np.arange(width) * 5 // width, 4)][None, :]


def _place(thing: _Placed, rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Return a new instance's materials on the canvas, uint8 (H, W), 0 = not there."""
    centre = np.array(thing.centre) * (width, height)
    turn = rng.normal(0, 0.16)
    stretch = np.array([rng.uniform(0.85, 1.15), rng.uniform(0.85, 1.15)]) * thing.size
    mirror = np.array([rng.choice([-1.0, 1.0]), 1.0])
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    canvas = Image.new("L", (width, height), 0)
    draw = ImageDraw.Draw(canvas)
    for points, material in sketch_thing(thing.name, rng).parts:
        placed = (points * mirror * stretch) @ rotation + centre
        draw.polygon([tuple(point) for point in placed.tolist()], fill=material + 1)
    return np.array(canvas)


def _shadow(colours: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> None:
    """Darken the ground under a thing, in place."""
    rows, columns = np.nonzero(mask)
    bottom, middle = rows.max(), columns.mean()
    half = max(4.0, (columns.max() - columns.min()) / 2)
    y = np.arange(mask.shape[0], dtype=np.float32)[:, None]
    x = np.arange(mask.shape[1], dtype=np.float32)[None]
    distance = ((x - middle) / half) ** 2 + ((y - bottom) / (0.22 * half)) ** 2
    colours *= (1 - rng.uniform(0.2, 0.6) * np.exp(-(distance**2)))[..., None]


def _paint(
    colours: np.ndarray, materials: np.ndarray, name: str, rng: np.random.Generator, light: float
) -> None:
    """Colour a thing's parts on the canvas, in place."""
    rows, columns = np.nonzero(materials)
    top, bottom = rows.min(), rows.max() + 1
    left, right = columns.min(), columns.max() + 1
    window = materials[top:bottom, left:right]
    height, width = window.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    across = (x / width - 0.5) * np.cos(light) + (y / height - 0.5) * np.sin(light)
    shade = 1 + rng.uniform(0.2, 0.7) * across
    for material in range(MATERIALS):
        part = window == material + 1
        if part.any():
            colour, kind = _look(name, material, rng)
            surface = colour * (shade * texture(rng, height, width, kind))[..., None]
            colours[top:bottom, left:right][part] = surface[part]


def _look(name: str, material: int, rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """Return colour (3,) and texture of one part: mostly the class's usual ones."""
    hue, dark, bright, kind = USUAL[name][material]
    if rng.random() < USUAL_COLOUR:
        colour = random_colour(rng, hue, 0.04, value=(dark, bright))
    else:
        colour = random_colour(rng)
    return colour, kind if rng.random() < USUAL_TEXTURE else str(rng.choice(TEXTURES))


def _photograph(colours: np.ndarray, rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Return the exposed, slightly blurred and noisy uint8 image of (width, height)."""
    height, width = colours.shape[:2]
    glow = 1 + rng.uniform(0, 0.5) * (smooth_noise(rng, height, width, 2)[..., None] - 0.5)
    cast = rng.uniform(0.85, 1.15, 3).astype(np.float32)
    exposed = np.clip(colours * glow * cast, 0, 1) ** rng.uniform(0.7, 1.4)
    image = Image.fromarray((255 * exposed).astype(np.uint8))
    image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.0, 1.2)))
    small = np.array(image.resize(size, Image.Resampling.BOX), dtype=np.float32)
    grain = rng.standard_normal(small.shape, dtype=np.float32)
    noisy = small + rng.uniform(1, 9) * grain
    return np.clip(noisy, 0, 255).astype(np.uint8)
