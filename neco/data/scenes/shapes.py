"""Things with parts, as polygons in their own frame: x right, y down, both about -1 to 1.

Every class draws its parts from a generator, so that pose and proportions differ between
instances while the parts and their arrangement stay those of the class.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

Points = np.ndarray  # (vertices, 2)


@dataclass
class Sketch:
    """The parts of one thing in painting order: (polygon, material index)."""

    parts: list[tuple[Points, int]] = field(default_factory=list)

    def polygon(self, points: list[tuple[float, float]], material: int) -> None:
        self.parts.append((np.array(points, dtype=float), material))

    def box(self, left: float, top: float, right: float, bottom: float, material: int) -> None:
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], material)

    def ellipse(
        self, x: float, y: float, width: float, height: float, material: int, turn: float = 0.0
    ) -> None:
        """Add an ellipse by centre, half axes and turn in radians."""
        angle = np.linspace(0, 2 * np.pi, 20, endpoint=False)
        across, along = width * np.cos(angle), height * np.sin(angle)
        cos, sin = np.cos(turn), np.sin(turn)
        outline = np.stack([x + cos * across - sin * along, y + sin * across + cos * along], 1)
        self.parts.append((outline, material))

    def limb(
        self, start: tuple[float, float], angle: float, length: float, width: float, material: int
    ) -> tuple[float, float]:
        """Add a tapered limb that hangs at `angle` from straight down; return its far end."""
        along = np.array([np.sin(angle), np.cos(angle)])
        across = np.array([along[1], -along[0]]) * width / 2
        origin = np.array(start)
        end = origin + along * length
        outline = [origin + across, end + 0.8 * across, end - 0.8 * across, origin - across]
        self.parts.append((np.array(outline), material))
        return float(end[0]), float(end[1])


def person(sketch: Sketch, rng: np.random.Generator) -> None:
    stride = rng.uniform(0.05, 0.45)
    for side in (-1, 1):
        foot = sketch.limb((0.1 * side, 0.1), side * stride, 0.78, 0.2, 1)
        sketch.ellipse(foot[0] + 0.06, foot[1], 0.14, 0.07, 3)
    sketch.polygon([(-0.26, -0.5), (0.26, -0.5), (0.2, 0.18), (-0.2, 0.18)], 0)
    for side in (-1, 1):
        hand = sketch.limb((0.24 * side, -0.44), side * rng.uniform(0.1, 2.4), 0.6, 0.13, 0)
        sketch.ellipse(*hand, 0.08, 0.08, 2)
    sketch.box(-0.06, -0.6, 0.06, -0.48, 2)
    sketch.ellipse(0, -0.74, 0.17, 0.2, 2)
    sketch.ellipse(0, -0.84, 0.18, 0.12, 3)


def car(sketch: Sketch, rng: np.random.Generator) -> None:
    roof = rng.uniform(0.3, 0.55)
    sketch.polygon([(-0.6, -0.05), (-0.38, -roof), (0.35, -roof), (0.62, -0.05)], 0)
    sketch.polygon(
        [(-0.48, -0.06), (-0.32, -roof + 0.08), (-0.03, -roof + 0.08), (-0.03, -0.06)], 1
    )
    sketch.polygon([(0.04, -0.06), (0.04, -roof + 0.08), (0.3, -roof + 0.08), (0.48, -0.06)], 1)
    sketch.polygon([(-0.98, 0.3), (-0.94, -0.02), (0.9, -0.08), (1.0, 0.06), (1.0, 0.3)], 0)
    sketch.ellipse(0.93, 0.06, 0.07, 0.07, 3)
    for x in (-0.58, 0.58):
        sketch.ellipse(x, 0.3, 0.23, 0.23, 2)
        sketch.ellipse(x, 0.3, 0.1, 0.1, 3)


def bus(sketch: Sketch, rng: np.random.Generator) -> None:
    top = rng.uniform(-0.75, -0.55)
    sketch.box(-1, top, 1, 0.4, 0)
    sketch.box(-1, 0.02, 1, 0.14, 3)
    count = int(rng.integers(3, 6))
    step = 1.5 / count
    for number in range(count):
        left = -0.92 + number * step
        sketch.box(left, top + 0.12, left + 0.75 * step, -0.08, 1)
    sketch.box(0.66, top + 0.12, 0.9, 0.36, 1)
    for x in (-0.6, 0.5):
        sketch.ellipse(x, 0.42, 0.18, 0.18, 2)


def boat(sketch: Sketch, rng: np.random.Generator) -> None:
    mast = rng.uniform(-0.12, 0.12)
    height = rng.uniform(0.75, 1.0)
    sketch.box(mast - 0.03, -height, mast + 0.03, 0.35, 2)
    sketch.polygon([(mast + 0.05, -height), (mast + 0.05, 0.2), (mast + 0.75, 0.2)], 1)
    sketch.polygon([(mast - 0.05, -0.8 * height), (mast - 0.05, 0.2), (mast - 0.55, 0.2)], 1)
    sketch.polygon([(-0.9, 0.3), (0.95, 0.3), (0.6, 0.72), (-0.65, 0.72)], 0)
    sketch.polygon([(-0.9, 0.3), (0.95, 0.3), (0.9, 0.38), (-0.85, 0.38)], 3)


def bird(sketch: Sketch, rng: np.random.Generator) -> None:
    for x in (-0.05, 0.12):
        sketch.limb((x, 0.25), rng.uniform(-0.2, 0.2), 0.45, 0.06, 3)
    sketch.polygon([(-0.4, 0.0), (-1.0, rng.uniform(-0.3, 0.2)), (-0.95, 0.25), (-0.35, 0.2)], 1)
    sketch.ellipse(0, 0.02, 0.52, 0.33, 0, turn=-0.2)
    lift = rng.uniform(-1.3, 0.5)
    wing = [(0.2, -0.05), (-0.35, 0.1), (-0.5 + 0.2 * lift, 0.25 + 0.6 * lift)]
    sketch.polygon(wing, 1)
    sketch.ellipse(0.5, -0.32, 0.23, 0.21, 0)
    sketch.polygon([(0.68, -0.4), (1.0, -0.28), (0.68, -0.22)], 3)
    sketch.ellipse(0.56, -0.38, 0.05, 0.05, 2)


def _four_legs(sketch: Sketch, rng: np.random.Generator, top: float, length: float) -> None:
    for x in (-0.5, -0.32, 0.3, 0.48):
        sketch.limb((x, top), rng.uniform(-0.35, 0.35), length, 0.14, 0)


def cat(sketch: Sketch, rng: np.random.Generator) -> None:
    tail = rng.uniform(1.8, 3.0)
    middle = sketch.limb((-0.6, 0.1), -tail, 0.5, 0.12, 1)
    sketch.limb(middle, -tail + rng.uniform(-0.8, 0.8), 0.4, 0.1, 1)
    _four_legs(sketch, rng, 0.25, 0.45)
    sketch.ellipse(-0.05, 0.15, 0.65, 0.28, 0)
    sketch.polygon([(0.36, -0.3), (0.42, -0.68), (0.6, -0.42)], 1)
    sketch.polygon([(0.62, -0.42), (0.84, -0.68), (0.86, -0.3)], 1)
    sketch.ellipse(0.61, -0.2, 0.3, 0.27, 0)
    sketch.ellipse(0.61, -0.06, 0.13, 0.1, 2)
    for x in (0.5, 0.72):
        sketch.ellipse(x, -0.25, 0.06, 0.06, 3)


def horse(sketch: Sketch, rng: np.random.Generator) -> None:
    for x in (-0.55, -0.4, 0.28, 0.44):
        knee = sketch.limb((x, 0.1), rng.uniform(-0.4, 0.4), 0.42, 0.16, 0)
        hoof = sketch.limb(knee, rng.uniform(-0.2, 0.2), 0.34, 0.1, 0)
        sketch.ellipse(*hoof, 0.08, 0.06, 3)
    sketch.limb((-0.62, -0.1), -rng.uniform(0.2, 0.7), 0.6, 0.14, 1)
    sketch.ellipse(-0.05, -0.02, 0.62, 0.27, 0)
    sketch.polygon([(0.3, -0.1), (0.55, 0.0), (0.86, -0.62), (0.58, -0.74)], 0)
    sketch.polygon([(0.26, -0.12), (0.4, -0.1), (0.66, -0.78), (0.54, -0.78)], 1)
    sketch.ellipse(0.82, -0.62, 0.28, 0.13, 0, turn=rng.uniform(0.2, 0.8))
    sketch.polygon([(0.6, -0.7), (0.64, -0.95), (0.74, -0.74)], 0)


def bottle(sketch: Sketch, rng: np.random.Generator) -> None:
    shoulder = rng.uniform(-0.35, -0.1)
    width = rng.uniform(0.22, 0.34)
    sketch.box(-0.1, -0.9, 0.1, shoulder, 0)
    sketch.polygon(
        [
            (-0.1, shoulder - 0.2),
            (0.1, shoulder - 0.2),
            (width, shoulder + 0.1),
            (width, 0.95),
            (-width, 0.95),
            (-width, shoulder + 0.1),
        ],
        0,
    )
    sketch.box(-width, 0.15, width, 0.65, 1)
    sketch.ellipse(0, 0.4, 0.12, 0.14, 3)
    sketch.box(-0.13, -1.0, 0.13, -0.82, 2)


def chair(sketch: Sketch, rng: np.random.Generator) -> None:
    lean = rng.uniform(0.0, 0.25)
    for x in (-0.42, 0.5):
        sketch.limb((x, 0.1), rng.uniform(-0.12, 0.12), 0.8, 0.1, 1)
    sketch.limb((-0.24, 0.1), -0.08, 0.62, 0.09, 1)
    sketch.limb((0.36, 0.1), 0.08, 0.62, 0.09, 1)
    sketch.polygon([(-0.5 - lean, -0.95), (-0.36 - lean, -0.95), (-0.34, 0.1), (-0.5, 0.1)], 0)
    sketch.polygon([(0.1 - lean, -0.95), (0.24 - lean, -0.95), (0.26, 0.1), (0.1, 0.1)], 0)
    for level in (-0.85, -0.5, -0.15):
        shift = -lean * (0.1 - level)
        sketch.box(-0.5 + shift, level, 0.25 + shift, level + 0.16, 0)
    sketch.polygon([(-0.55, 0.05), (0.35, 0.05), (0.6, 0.2), (-0.45, 0.2)], 2)


def tvmonitor(sketch: Sketch, rng: np.random.Generator) -> None:
    half = rng.uniform(0.45, 0.62)
    sketch.box(-0.08, half - 0.05, 0.08, 0.8, 1)
    sketch.polygon([(-0.42, 0.86), (0.42, 0.86), (0.3, 0.74), (-0.3, 0.74)], 1)
    sketch.box(-0.95, -half, 0.95, half, 1)
    sketch.box(-0.85, -half + 0.1, 0.85, half - 0.12, 0)
    x = rng.uniform(-0.5, 0.3)
    sketch.polygon([(x, half - 0.12), (x + 0.3, -0.1), (x + 0.6, half - 0.12)], 2)
    sketch.ellipse(rng.uniform(-0.6, 0.6), -half + 0.3, 0.13, 0.13, 3)


def pottedplant(sketch: Sketch, rng: np.random.Generator) -> None:
    for angle in np.linspace(-1.2, 1.2, int(rng.integers(5, 8))):
        turn = np.pi + angle + rng.uniform(-0.15, 0.15)
        end = sketch.limb((0, 0.3), turn, rng.uniform(0.5, 0.85), 0.06, 2)
        sketch.ellipse(*end, 0.13, 0.3, 1, turn=-turn)
    if rng.random() < 0.6:
        for _ in range(3):
            sketch.ellipse(rng.uniform(-0.4, 0.4), rng.uniform(-0.75, -0.2), 0.12, 0.12, 3)
    sketch.polygon([(-0.4, 0.3), (0.4, 0.3), (0.28, 0.95), (-0.28, 0.95)], 0)
    sketch.box(-0.45, 0.22, 0.45, 0.38, 0)


def aeroplane(sketch: Sketch, rng: np.random.Generator) -> None:
    sketch.polygon([(-0.05, 0.0), (0.28, 0.0), (-0.2, -0.5), (-0.36, -0.5)], 1)
    sketch.polygon([(-0.95, -0.55), (-0.75, -0.55), (-0.5, -0.02), (-0.8, 0.0)], 1)
    sketch.ellipse(0.0, 0.02, 0.98, 0.17, 0)
    sketch.ellipse(0.86, -0.03, 0.08, 0.06, 3)
    for x in np.linspace(-0.55, 0.6, 6):
        sketch.ellipse(x, -0.02, 0.045, 0.05, 3)
    drop = rng.uniform(0.45, 0.75)
    sketch.polygon([(-0.1, 0.06), (0.32, 0.06), (-0.3, drop), (-0.5, drop)], 1)
    sketch.ellipse(0.0, 0.36, 0.17, 0.08, 2)


Draw = Callable[[Sketch, np.random.Generator], None]
THINGS: dict[str, Draw] = {
    "aeroplane": aeroplane,
    "bird": bird,
    "boat": boat,
    "bottle": bottle,
    "bus": bus,
    "car": car,
    "cat": cat,
    "chair": chair,
    "horse": horse,
    "person": person,
    "pottedplant": pottedplant,
    "tvmonitor": tvmonitor,
}
"""Class names as VOC spells them."""
MATERIALS = 4

Material = tuple[float, float, float, str]
"""Usual look of a part: hue, least and greatest brightness, texture."""
USUAL: dict[str, list[Material]] = {
    "aeroplane": [(0.58, 0.7, 1.0, "plain"), (0.6, 0.5, 0.8, "plain"), (0.0, 0.2, 0.5, "plain"),
                  (0.55, 0.1, 0.4, "plain")],
    "bird": [(0.08, 0.3, 0.7, "mottled"), (0.06, 0.2, 0.5, "striped"), (0.0, 0.0, 0.2, "plain"),
             (0.12, 0.7, 1.0, "plain")],
    "boat": [(0.0, 0.4, 0.8, "striped"), (0.13, 0.8, 1.0, "plain"), (0.08, 0.2, 0.5, "plain"),
             (0.6, 0.3, 0.6, "plain")],
    "bottle": [(0.36, 0.2, 0.6, "plain"), (0.12, 0.7, 1.0, "plain"), (0.0, 0.4, 0.8, "plain"),
               (0.85, 0.3, 0.7, "plain")],
    "bus": [(0.13, 0.7, 1.0, "plain"), (0.58, 0.2, 0.5, "plain"), (0.6, 0.05, 0.25, "plain"),
            (0.98, 0.4, 0.8, "plain")],
    "car": [(0.99, 0.5, 0.95, "plain"), (0.55, 0.6, 0.9, "plain"), (0.6, 0.05, 0.25, "plain"),
            (0.14, 0.7, 1.0, "plain")],
    "cat": [(0.09, 0.5, 0.9, "striped"), (0.07, 0.4, 0.8, "striped"), (0.97, 0.6, 0.9, "plain"),
            (0.3, 0.5, 0.9, "plain")],
    "chair": [(0.07, 0.3, 0.6, "striped"), (0.06, 0.2, 0.5, "plain"), (0.9, 0.4, 0.8, "spotted"),
              (0.07, 0.3, 0.6, "plain")],
    "horse": [(0.06, 0.2, 0.55, "plain"), (0.08, 0.05, 0.3, "mottled"), (0.0, 0.1, 0.3, "plain"),
              (0.1, 0.05, 0.3, "plain")],
    "person": [(0.75, 0.4, 0.9, "striped"), (0.62, 0.2, 0.6, "plain"), (0.06, 0.6, 0.95, "plain"),
               (0.08, 0.05, 0.4, "plain")],
    "pottedplant": [(0.04, 0.4, 0.8, "plain"), (0.33, 0.3, 0.8, "mottled"),
                    (0.28, 0.2, 0.5, "plain"), (0.9, 0.6, 1.0, "plain")],
    "tvmonitor": [(0.52, 0.5, 1.0, "plain"), (0.66, 0.05, 0.3, "plain"), (0.3, 0.4, 0.8, "plain"),
                  (0.13, 0.7, 1.0, "plain")],
}  # fmt: skip
"""How a class's parts mostly look; any instance may look otherwise."""


def sketch_thing(name: str, rng: np.random.Generator) -> Sketch:
    """Return a new instance of a class, in its own frame."""
    sketch = Sketch()
    THINGS[name](sketch, rng)
    return sketch
