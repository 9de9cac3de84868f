"""The tables that the C++ kernel reads: a network comes in, its schedule comes out.

The schedule says which comparators each input of the matrix meets.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from neco.sorting.networks import Layer, Network, NetworkName, sorting_network

MOST_KEPT_TOGETHER = 64_000
"""Most differences that are kept for inputs that go together. More do not fit the second-level
cache: as measured, odd-even at width 256 gains from taking inputs one by one."""
REAL_SHARE = 0.75
"""Two layers are taken as one only where this share of the comparators of their quads exists."""


@dataclass(frozen=True, eq=False)
class Schedule:
    """What the kernel does for a network, step by step, as arrays of int32.

    A step is the comparators of one layer, or those of two layers as quads. A unit is a run of
    inputs that go through the steps together.
    """

    comparators: np.ndarray
    """(comparators + 1, 2): low and high wire of each, in order of execution. The last one joins
    wire R, which does not exist, to itself: it stands for a comparator that a quad lacks."""
    quads: np.ndarray
    """(quads, 8): four wires a, b, c, d; then the numbers of the comparators that join a and c,
    b and d, a and b, c and d."""
    step_has_quads: np.ndarray
    """(steps,): 1 where the step is made of quads."""
    units: np.ndarray
    """(units, 2): the first input and the number of inputs."""
    ranges: np.ndarray
    """(units, steps, 2): begin and end of what the unit meets among the comparators or quads."""
    most_kept: int
    """The most differences that a unit keeps, over its comparators and inputs."""


@dataclass(frozen=True, eq=False)
class _Step:
    """A step of the schedule. Its items are comparators or quads."""

    wires: np.ndarray
    """(items, 2 or 4): the wires that each item joins."""
    begin: int
    """The number of the first item among all comparators, or among all quads."""


@lru_cache(maxsize=32)
def kernel_schedule(name: NetworkName, width: int, columns: int, together: int) -> Schedule:
    """Return the schedule for units of `together` inputs where possible, and else of one.

    An input starts on its own wire and reaches more wires with every step. A comparator matters to
    an input only if the input has reached one of the comparator's wires, and if one of the first
    `columns` sorted positions can be reached from there.
    """
    network = sorting_network(name, width)
    schedule = _schedule(network, columns, together)
    if schedule.most_kept > MOST_KEPT_TOGETHER and together > 1:
        return _schedule(network, columns, 1)
    return schedule


def _schedule(network: Network, columns: int, together: int) -> Schedule:
    steps, quads = _steps(network)
    needed = _needed_items(steps, network.width, columns)
    units = _units(network, together)
    # One wire more than there are: the one that stands for what quads lack is never reached.
    reached = np.zeros((len(units), network.width + 1), dtype=bool)
    for unit, (first, count) in enumerate(units):
        reached[unit, first : first + count] = True
    ranges = np.zeros((len(units), len(steps), 2), dtype=np.int32)
    lengths = np.zeros(len(units), dtype=np.int64)
    for index, step in enumerate(steps):
        meets = np.logical_or.reduce(reached[:, step.wires], axis=2)  # (units, items)
        reached |= _on_wires(step.wires, meets, network.width)
        begin, end = _hull(meets & needed[index])
        ranges[:, index] = step.begin + np.stack([begin, end], axis=1)
        lengths += (end - begin) * (4 if step.wires.shape[1] == 4 else 1)
    pairs = [np.stack([layer.low, layer.high], axis=1) for layer in network.layers]
    nowhere = np.full((1, 2), network.width)
    return Schedule(
        np.concatenate([*pairs, nowhere]).astype(np.int32),
        quads.astype(np.int32),
        np.array([step.wires.shape[1] == 4 for step in steps], dtype=np.int32),
        np.array(units, dtype=np.int32),
        ranges,
        int((lengths * np.array(units)[:, 1]).max()),
    )


def _on_wires(wires: np.ndarray, marked: np.ndarray, width: int) -> np.ndarray:
    """Return the wires of marked items, bool (units, width + 1), without the one that is no wire.

    wires: (items, 2 or 4). marked: bool (units, items).
    """
    result = np.zeros((len(marked), width + 1), dtype=bool)
    for of_items in wires.T:
        result[:, of_items] |= marked
    result[:, width] = False
    return result


def _hull(marked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each row its first marked column and the one after its last; 0 and 0 if none."""
    if not marked.shape[1]:
        return np.zeros(len(marked), dtype=int), np.zeros(len(marked), dtype=int)
    some = marked.any(axis=1)
    end = marked.shape[1] - marked[:, ::-1].argmax(axis=1)
    return np.where(some, marked.argmax(axis=1), 0), np.where(some, end, 0)


def _steps(network: Network) -> tuple[list[_Step], np.ndarray]:
    """Return the steps of the network, and its quads as (quads, 8)."""
    steps: list[_Step] = []
    quads = np.zeros((0, 8), dtype=np.int64)
    complete = sorting_network(network.name, network.width + network.discarded)
    begin = 0
    for stage, complete_stage in zip(network.stages, complete.stages, strict=True):
        layers = list(zip(stage.layers, complete_stage.layers, strict=True))
        while layers:
            found = None
            if network.name == "bitonic" and len(layers) % 2 == 0:  # pairs end at the stage's end
                found = _quads(network, layers[0], layers[1], begin)
            if found is None:
                layer, _ = layers.pop(0)
                steps.append(_Step(np.stack([layer.low, layer.high], axis=1), begin))
                begin += len(layer.low)
            else:
                steps.append(_Step(found[:, :4], len(quads)))
                quads = np.concatenate([quads, found])
                begin += sum(len(layers.pop(0)[0].low) for _ in range(2))
    return steps, quads


def _quads(
    network: Network, first: tuple[Layer, Layer], second: tuple[Layer, Layer], begin: int
) -> np.ndarray | None:
    """Return two layers as (quads, 8), or None where too little of the quads exists.

    first, second: a layer of the network, whose comparators are numbered from `begin` on, and the
    same layer of the complete network.
    """
    wires = network.width + network.discarded
    nowhere, nothing = network.width, sum(len(layer.low) for layer in network.layers)
    higher, number = [], []  # by wire: where its comparator leads, and which one that is
    for layer, complete in (first, second):
        leads = np.full(wires, -1)
        leads[complete.low] = complete.high
        index = np.full(network.width + 1, nothing)
        index[layer.low] = begin + np.arange(len(layer.low))
        begin += len(layer.low)
        higher.append(leads)
        number.append(index)
    a = np.flatnonzero((higher[0] >= 0) & (higher[1] >= 0))
    b, c = higher[1][a], higher[0][a]
    found = np.stack([a, b, c, higher[1][c]], axis=1)
    found = found[found.min(axis=1).argsort()] - network.discarded
    found[found < 0] = nowhere
    a, b, c, _ = found.T
    members = np.stack([number[0][a], number[0][b], number[1][a], number[1][c]], axis=1)
    exists = members != nothing
    some = exists.any(axis=1)
    if exists[some].mean() < REAL_SHARE:
        return None
    return np.concatenate([found, members], axis=1)[some]


def _units(network: Network, together: int) -> list[tuple[int, int]]:
    """Return the units as (first input, number of inputs).

    Runs of `together` inputs are aligned in the complete network, because their wires meet soon.
    """
    units: list[tuple[int, int]] = []
    first = 0
    while first < network.width:
        aligned = (first + network.discarded) % together == 0
        count = together if aligned and first + together <= network.width else 1
        units.append((first, count))
        first += count
    return units


def _needed_items(steps: list[_Step], width: int, columns: int) -> list[np.ndarray]:
    """Return for each step which items lead to one of the first `columns` positions, (items,)."""
    wires = np.arange(width + 1) < columns
    needed = []
    for step in reversed(steps):
        matters = wires[step.wires].any(axis=1)
        wires |= _on_wires(step.wires, matters[None], width)[0]
        needed.append(matters)
    return needed[::-1]
