"""Sorting networks: a name and a width come in, layers of comparators come out.

A wire holds one value. A comparator joins two wires: afterwards the `low` wire holds the smaller
value and the `high` wire holds the larger one. Wires that no comparator of a layer touches keep
their value.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from neco.errors import UserError

NetworkName = Literal["bitonic", "odd_even"]

WIDEST = 1024
"""Most wires of a network."""
ROWS = 2000
"""How many random rows test whether a network sorts."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Layer:
    """Comparators that act at the same time, in ascending order of their smaller wire."""

    low: np.ndarray
    """(comparators,) int64: the wire that receives the soft minimum."""
    high: np.ndarray
    """(comparators,) int64: the wire that receives the soft maximum."""


@dataclass(frozen=True, eq=False)
class Network:
    """A sorting network of `width` wires.

    `stages` groups consecutive layers. Up to the end of a stage, a value can only have travelled
    inside its aligned group of `reach` wires. So a matrix that began as the identity is block
    diagonal at that point.

    Of the complete network, which has 2 ** n wires, the first `discarded` are left out: wire w here
    is wire `discarded` + w there. Groups are aligned in the complete network.
    """

    name: NetworkName
    width: int
    discarded: int
    stages: tuple[Stage, ...]

    @property
    def layers(self) -> list[Layer]:
        """All layers in order of execution."""
        return [layer for stage in self.stages for layer in stage.layers]


@dataclass(frozen=True, eq=False)
class Stage:
    """Layers whose comparators stay inside aligned groups of `reach` wires."""

    layers: tuple[Layer, ...]
    reach: int


@lru_cache(maxsize=32)
def sorting_network(name: NetworkName, width: int) -> Network:
    """Return the network `name` for `width` values.

    `bitonic` needs a power of two. For any other width, the first wires of the next larger network
    are discarded together with every comparator that touches one. That is the rule of diffsort
    0.2.0, which the released code uses. For some widths (22, 38, 42 to 46, 54, and many above 64)
    what remains does not sort every row, and a warning says so. `odd_even` has `width` layers.

    Raises UserError for an unknown name or a width outside 1..1024.
    """
    if not 1 <= width <= WIDEST:
        raise UserError(f"sorting network: width {width} is not within 1..{WIDEST}; change it")
    if name == "bitonic":
        exponent = (width - 1).bit_length()
        discarded = 2**exponent - width
        network = Network(name, width, discarded, tuple(_bitonic_stages(exponent, discarded)))
        if discarded and not sorts_sampled_rows(network):
            logger.warning(
                "the bitonic network of %d wires (of %d) leaves some rows unsorted; "
                "take %d references, or network odd_even",
                width,
                2**exponent,
                2**exponent,
            )
        return network
    if name == "odd_even":
        return Network(name, width, 0, (_odd_even_stage(width),))
    raise UserError(f"sorting network: unknown name {name!r}; use 'bitonic' or 'odd_even'")


def sorts_sampled_rows(network: Network) -> bool:
    """Return whether the network, with hard comparisons, sorts ROWS fixed random 0/1 rows.

    A network sorts everything if and only if it sorts every row of zeros and ones (0-1 principle).
    So False is a proof, and True is evidence.
    """
    random = np.random.default_rng(0)
    values = random.random((network.width, ROWS)) < random.random(ROWS)  # (wires, rows)
    for layer in network.layers:
        low, high = values[layer.low], values[layer.high]
        values[layer.low], values[layer.high] = low & high, low | high
    return bool((values[:-1] <= values[1:]).all())


def _bitonic_stages(exponent: int, discarded: int) -> list[Stage]:
    """Return the stages of 2 ** exponent wires without the first `discarded`."""
    stages = []
    for block in range(exponent):
        reach = 2 ** (block + 1)
        layers = []
        for step in reversed(range(block + 1)):
            stride = 2**step
            wires = np.arange(2**exponent)
            lower = wires[(wires & stride == 0) & (wires >= discarded)]
            upper = lower + stride
            descending = (lower // reach) % 2 == 1
            low = np.where(descending, upper, lower) - discarded
            high = np.where(descending, lower, upper) - discarded
            layers.append(Layer(low, high))
        stages.append(Stage(tuple(layers), reach))
    return stages


def _odd_even_stage(width: int) -> Stage:
    """Return all layers as one stage: values can travel everywhere from the start."""
    layers = []
    for index in range(width if width > 1 else 0):
        low = np.arange(index % 2, width - 1, 2)
        layers.append(Layer(low, low + 1))
    return Stage(tuple(layers), width)
