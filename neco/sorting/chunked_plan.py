"""The index tensors that chunked.py needs for one network. They are made once and kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from neco.sorting.networks import NetworkName, sorting_network


@dataclass(frozen=True, eq=False)
class LayerPlan:
    """`gather` brings wires from the order that the layer before left into [low; high; others];
    `scatter` is its inverse; `pairs` is the number of comparators."""

    pairs: int
    gather: Tensor
    scatter: Tensor


@dataclass(frozen=True, eq=False)
class StagePlan:
    """Layers between two returns to the natural order of the wires.

    finish: from the last layer's order to the natural one; start: its inverse. half: row 2 w + (0
    or 1) for wire w, by the half of its group in which w was before this stage, None in the first
    stage. absent: inputs of the group that were discarded with their wires.
    """

    layers: tuple[LayerPlan, ...]
    finish: Tensor
    start: Tensor
    half: Tensor | None
    absent: int


@dataclass(frozen=True, eq=False)
class Plan:
    """identity: (R, inputs of a group of the first stage), 1 where an input is its own wire."""

    width: int
    identity: Tensor
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
