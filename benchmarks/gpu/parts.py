"""The parts by worth: what is asked first is what no other machine can answer.

This module needs no torch, whose import takes seconds of a card's time.
"""

import signal
from dataclasses import dataclass
from importlib.util import find_spec

ENDED = ("done", "missing", "failed")
"""How a part says itself that it ended"""
WHERE = signal.SIGUSR1
"""On this signal a part writes to the log where it is: it is asked before it is killed"""
CONFIG = ("pydantic", "yaml")
"""What the settings need"""
TRAINING = (
    *CONFIG,
    "timm",
    "torchvision",
    "lightning_fabric",
    "safetensors",
    "tensorboard",
    "rich",
)
TESTING = (*TRAINING, "pytest", "hypothesis", "scipy")


class MissingError(Exception):
    """What a part needs is not on this machine; the message says what, and what to do."""


@dataclass(frozen=True)
class Part:
    """A module of this package with `measure(bench)`, which yields records."""

    name: str
    about: str
    seconds: float
    """What it may take on a card"""
    needs: tuple[str, ...] = ()
    """Modules without which it cannot run"""
    fewest: float = 10.0
    """Seconds below which it is not worth a start"""

    @property
    def module(self) -> str:
        """Return the module to import."""
        return f"benchmarks.gpu.{self.name}"

    def missing(self) -> list[str]:
        """Return the needed modules that are not there."""
        return [name for name in self.needs if find_spec(name) is None]


PARTS = (
    Part("card", "copy bandwidth and matrix rates", 45),
    Part("sort", "the sorting loss: value, gradient, time", 170),
    Part("step", "a training step, part by part", 170, TRAINING, 40),
    Part("photographs", "end to end from JPEGs", 130, TRAINING, 40),
    Part("search", "exact in-context search at the paper's size", 110, (), 30),
    Part(
        "suite", "the tests that need a card", 150, (*TRAINING, "pytest", "hypothesis", "scipy"), 40
    ),
    Part("run", "a short NeCo run, evaluated before and after", 240, (*TRAINING, "scipy"), 60),
)


def part_named(name: str) -> Part:
    """Return the part of that name."""
    return next(part for part in PARTS if part.name == name)
