"""Which comparators each input of the matrix meets: the tables that the C++ kernel walks along."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from neco.sorting.networks import Layer, Network, NetworkName, sorting_network

# Beyond this many comparators per input, what is kept of several inputs at once no longer fits
# the second-level cache (measured: odd-even at width 256 gains from going one by one).
LONGEST_TOGETHER = 16_000


@dataclass(frozen=True, eq=False)
class Schedule:
    """low, high: (comparators,) wires in order of execution. units: (units, 2), the first input and
    the number of inputs that go together. ranges: (units, layers, 2), begin and end among the
    comparators. longest: comparators of the longest unit. All int32."""

    low: np.ndarray
    high: np.ndarray
    units: np.ndarray
    ranges: np.ndarray
    longest: int


@lru_cache(maxsize=32)
def kernel_schedule(name: NetworkName, width: int, columns: int, together: int) -> Schedule:
    """Return the schedule for `together` inputs at a time where possible, and else one.

    An input starts on its own wire and reaches more wires layer by layer; a comparator matters to
    it from the layer where it reaches one of its wires, and only if one of the first `columns`
    sorted positions can be reached from there.
    """
    network = sorting_network(name, width)
    needed = _needed_comparators(network.layers, width, columns)
    schedule = _schedule(network, needed, together)
    if schedule.longest > LONGEST_TOGETHER and together > 1:
        return _schedule(network, needed, 1)
    return schedule


def _schedule(network: Network, needed: list[np.ndarray], together: int) -> Schedule:
    units = _units(network, together)
    reached = np.zeros((len(units), network.width), dtype=bool)
    for unit, (first, count) in enumerate(units):
        reached[unit, first : first + count] = True
    ranges = np.zeros((len(units), len(network.layers), 2), dtype=np.int32)
    begin = 0
    for index, layer in enumerate(network.layers):
        meets = reached[:, layer.low] | reached[:, layer.high]  # (units, comparators)
        reached[:, layer.low] |= meets
        reached[:, layer.high] |= meets
        meets &= needed[index]
        count = meets.shape[1]
        if count:
            some = meets.any(axis=1)
            ranges[some, index, 0] = begin + meets.argmax(axis=1)[some]
            ranges[some, index, 1] = begin + count - meets[:, ::-1].argmax(axis=1)[some]
        begin += count
    lengths = (ranges[:, :, 1] - ranges[:, :, 0]).sum(axis=1)
    return Schedule(
        _joined([layer.low for layer in network.layers]),
        _joined([layer.high for layer in network.layers]),
        np.array(units, dtype=np.int32),
        ranges,
        int(lengths.max(initial=0)),
    )


def _units(network: Network, together: int) -> list[tuple[int, int]]:
    """Runs of `together` inputs aligned in the complete network: they soon share their wires."""
    units: list[tuple[int, int]] = []
    first = 0
    while first < network.width:
        aligned = (first + network.discarded) % together == 0
        count = together if aligned and first + together <= network.width else 1
        units.append((first, count))
        first += count
    return units


def _needed_comparators(layers: list[Layer], width: int, columns: int) -> list[np.ndarray]:
    wires = np.arange(width) < columns
    needed = []
    for layer in reversed(layers):
        matters = wires[layer.low] | wires[layer.high]
        wires[layer.low] |= matters
        wires[layer.high] |= matters
        needed.append(matters)
    return needed[::-1]


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([*parts, np.zeros(0)]).astype(np.int32)
