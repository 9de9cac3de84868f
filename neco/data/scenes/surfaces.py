"""Colours, textures and stuff: what surfaces look like, as float RGB in 0 to 1."""

import colorsys

import numpy as np


def smooth_noise(rng: np.random.Generator, height: int, width: int, cells: float) -> np.ndarray:
    """Return noise (height, width) in 0 to 1 whose features are about 1/cells of the side."""
    rows, columns = int(cells) + 2, int(cells * width / height) + 2
    grid = rng.random((rows, columns), dtype=np.float32)
    y = np.linspace(0, rows - 1.001, height, dtype=np.float32)
    x = np.linspace(0, columns - 1.001, width, dtype=np.float32)
    top, left = y.astype(int), x.astype(int)
    down, right = (y - top)[:, None], (x - left)[None, :]
    down, right = down * down * (3 - 2 * down), right * right * (3 - 2 * right)
    upper = grid[top][:, left] * (1 - right) + grid[top][:, left + 1] * right
    lower = grid[top + 1][:, left] * (1 - right) + grid[top + 1][:, left + 1] * right
    return upper * (1 - down) + lower * down


def random_colour(
    rng: np.random.Generator,
    hue: float | None = None,
    spread: float = 0.08,
    saturation: tuple[float, float] = (0.15, 0.9),
    value: tuple[float, float] = (0.25, 0.95),
) -> np.ndarray:
    """Return an RGB colour (3,), of any hue or of one near `hue`."""
    chosen = rng.random() if hue is None else (hue + rng.normal(0, spread)) % 1.0
    rgb = colorsys.hsv_to_rgb(chosen, rng.uniform(*saturation), rng.uniform(*value))
    return np.array(rgb, dtype=np.float32)


TEXTURES = ("plain", "striped", "spotted", "mottled")


def texture(rng: np.random.Generator, height: int, width: int, kind: str) -> np.ndarray:
    """Return a brightness factor (height, width) about 1, of one of TEXTURES."""
    if kind == "plain":
        return np.ones((height, width), dtype=np.float32)
    strength = rng.uniform(0.1, 0.45)
    if kind == "striped":
        angle, period = rng.uniform(0, np.pi), rng.uniform(5, 16)
        y, x = np.mgrid[:height, :width].astype(np.float32)
        wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period)
        return 1 + strength * np.sign(wave)
    noise = smooth_noise(rng, height, width, rng.uniform(8, 24))
    if kind == "spotted":
        return 1 + strength * np.where(noise > 0.62, 1.0, -0.3)
    return 1 + 2 * strength * (noise - 0.5)


def _ridged(rng: np.random.Generator, height: int, width: int, scale: float) -> np.ndarray:
    noise = smooth_noise(rng, height, width, scale) + 0.5 * smooth_noise(
        rng, height, width, 2.5 * scale
    )
    return noise / 1.5


def _bricks(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Return 1 inside bricks and 0 in the joints, (height, width)."""
    tall = rng.uniform(0.05, 0.1) * height
    wide = 2.2 * tall
    y, x = np.mgrid[:height, :width].astype(np.float32)
    row = np.floor(y / tall)
    x = x + 0.5 * wide * (row % 2)
    return ((y % tall > 0.14 * tall) & (x % wide > 0.07 * wide)).astype(np.float32)


def stuff(name: str, rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Return a patch of stuff, float RGB (height, width, 3)."""
    flat = np.ones((height, width, 1), dtype=np.float32)
    if name == "sky-other":
        top = random_colour(rng, rng.choice([0.58, 0.6, 0.07, 0.66]), 0.04, (0.1, 0.7), (0.5, 1.0))
        fade = np.linspace(0, rng.uniform(0.2, 0.8), height)[:, None, None]
        clouds = np.clip(_ridged(rng, height, width, rng.uniform(2, 5)) * 3 - 1.6, 0, 0.8)[
            ..., None
        ]
        return (top * (1 - fade) + fade) * (1 - clouds) + clouds
    if name == "sea":
        colour = random_colour(rng, rng.choice([0.5, 0.57, 0.62]), 0.04, (0.25, 0.8), (0.25, 0.8))
        y = np.arange(height, dtype=np.float32)[:, None]
        warp = 6 * smooth_noise(rng, height, width, 6)
        waves = np.sin((y + 4 * warp) * 2 * np.pi / rng.uniform(7, 14))
        return colour * (1 + 0.22 * waves[..., None] * flat)
    if name == "grass":
        colour = random_colour(rng, rng.choice([0.27, 0.22, 0.16]), 0.04, (0.3, 0.8), (0.25, 0.75))
        blades = rng.random((height // 4 + 1, width), dtype=np.float32).repeat(4, 0)[:height]
        return (
            colour * (0.7 + 0.6 * (0.6 * blades + 0.4 * _ridged(rng, height, width, 8)))[..., None]
        )
    if name == "road":
        colour = random_colour(rng, None, 0.1, (0.0, 0.15), (0.2, 0.6))
        grain = 1 + 0.07 * rng.standard_normal((height, width, 1), dtype=np.float32)
        return colour * grain * (0.9 + 0.2 * smooth_noise(rng, height, width, 4))[..., None]
    if name == "sand":
        colour = random_colour(rng, 0.1, 0.03, (0.15, 0.55), (0.55, 0.95))
        y = np.arange(height, dtype=np.float32)[:, None]
        ripples = np.sin((y + 25 * smooth_noise(rng, height, width, 3)) * 2 * np.pi / 18)
        grain = 0.05 * rng.standard_normal((height, width), dtype=np.float32)
        return colour * (1 + 0.07 * ripples + grain)[..., None]
    if name == "wall-brick":
        colour = random_colour(rng, rng.choice([0.02, 0.08, 0.6]), 0.04, (0.1, 0.7), (0.3, 0.8))
        bricks = _bricks(rng, height, width)[..., None]
        shade = (0.85 + 0.3 * smooth_noise(rng, height, width, 12))[..., None]
        return colour * bricks * shade + (1 - bricks) * rng.uniform(0.3, 0.9)
    if name == "wall-other":
        colour = random_colour(rng, None, 0.1, (0.05, 0.5), (0.4, 0.95))
        return colour * texture(rng, height, width, str(rng.choice(TEXTURES)))[..., None] ** 0.4
    if name == "floor-wood":
        colour = random_colour(rng, 0.07, 0.03, (0.3, 0.75), (0.3, 0.75))
        plank = rng.uniform(10, 22)
        y, _ = np.mgrid[:height, :width]
        joints = (y % plank > 1.5).astype(np.float32)
        tone = 0.8 + 0.4 * rng.random(height + 1, dtype=np.float32)
        grain = tone[(y / plank).astype(int)] * (0.9 + 0.2 * smooth_noise(rng, height, width, 30))
        return colour * (grain * (0.55 + 0.45 * joints))[..., None]
    if name == "building-other":
        colour = random_colour(rng, None, 0.1, (0.05, 0.45), (0.35, 0.85))
        size = rng.uniform(14, 26)
        y, x = np.mgrid[:height, :width]
        panes = (y % size > 0.35 * size) & (x % size > 0.45 * size)
        glass = random_colour(rng, 0.58, 0.1, (0.1, 0.5), (0.1, 0.9))
        return np.where(panes[..., None], glass, colour * flat)
    raise ValueError(f"no stuff named {name}")


STUFF = [
    "building-other",
    "floor-wood",
    "grass",
    "road",
    "sand",
    "sea",
    "sky-other",
    "wall-brick",
    "wall-other",
]
"""Class names as COCO-Stuff spells them."""
