"""The index tensors of chunked.py: a network comes in, its plan comes out and is kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from neco.sorting.networks import NetworkName, sorting_network


@dataclass(frozen=True, eq=False)
class LayerPlan:
    """The order in which a layer wants the wires."""

    comparators: int
    """How many comparators the layer has."""
    gather: Tensor
    """(R,): brings wires from the order that the layer before left into [low; high; others]."""
    scatter: Tensor
    """(R,): the inverse of `gather`."""


@dataclass(frozen=True, eq=False)
class StagePlan:
    """Layers between two returns to the natural order of the wires."""

    layers: tuple[LayerPlan, ...]
    finish: Tensor
    """(R,): brings wires from the last layer's order into the natural one."""
    start: Tensor
    """(R,): the inverse of `finish`."""
    half: Tensor | None
    """(R,): for wire w the row 2 w or 2 w + 1, for the first or second half of its new group in
    which w was before this stage. None in the first stage."""
    absent: int
    """How many inputs of the group were discarded together with their wires."""


@dataclass(frozen=True, eq=False)
class Plan:
    """The plan of a network of `width` wires."""

    width: int
    identity: Tensor
    """(R, inputs of a group of the first stage): 1 where an input starts on the wire, else 0."""
    stages: tuple[StagePlan, ...]


@lru_cache(maxsize=32)
def chunked_plan(name: NetworkName, width: int, device: torch.device) -> Plan:
    """Return the plan of network `name` at `width`, its tensors on `device`."""
    network = sorting_network(name, width)
    complete = np.arange(width) + network.discarded  # each wire's place in the complete network

    def index(values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(device)

    stages = []
    for number, stage in enumerate(network.stages):
        layers = []
        place = np.arange(width)  # where the order so far holds each wire
        for layer in stage.layers:
            others = np.setdiff1d(np.arange(width), np.concatenate([layer.low, layer.high]))
            order = np.concatenate([layer.low, layer.high, others])
            gather = place[order]
            layers.append(LayerPlan(len(layer.low), index(gather), index(np.argsort(gather))))
            place = np.argsort(order)
        half = 2 * np.arange(width) + (complete % stage.reach >= stage.reach // 2)
        stages.append(
            StagePlan(
                tuple(layers),
                finish=index(place),
                start=index(np.argsort(place)),
                half=index(half) if number else None,
                absent=network.discarded if number and stage is network.stages[-1] else 0,
            )
        )
    first_reach = network.stages[0].reach if network.stages else 1
    identity = complete[:, None] % first_reach == np.arange(first_reach)
    return Plan(width, index(identity).float(), tuple(stages))
