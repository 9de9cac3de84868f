"""The optimiser of a training: parameters and settings come in, the optimiser comes out.

`set_rates` then sets the rates that it takes at each step.
"""

import logging

import torch
from torch import nn

from neco.config.training import Optimiser
from neco.schedules import cosine

log = logging.getLogger(__name__)


def build_optimiser(
    backbone: nn.Module, head: nn.Module, settings: Optimiser, fused: bool = False
) -> torch.optim.Optimizer:
    """Return the optimiser of all parameters that require gradient.

    They are in four groups: backbone and head, each with and without weight decay. Norms, biases
    and other vectors have no weight decay, as in the released code. fused: take a step in one
    kernel, on a GPU.
    """
    if settings.name == "adam" and max(settings.weight_decay, settings.final_weight_decay) > 0:
        log.warning(
            "optimiser adam with weight decay: the decay enters the gradient and takes the weights "
            "to zero; set train.optimiser.name=adamw, or both weight decays to 0"
        )
    groups = []
    for part, module in (("backbone", backbone), ("head", head)):
        trained = [p for p in module.parameters() if p.requires_grad]
        matrices = [p for p in trained if p.ndim > 1]
        vectors = [p for p in trained if p.ndim <= 1]
        groups.append({"params": matrices, "part": part, "decayed": True})
        groups.append({"params": vectors, "part": part, "decayed": False})
    kind = torch.optim.Adam if settings.name == "adam" else torch.optim.AdamW
    present = [group for group in groups if group["params"]]
    return kind(present, lr=0.0, weight_decay=0.0, fused=fused or None)


def set_rates(
    optimiser: torch.optim.Optimizer, settings: Optimiser, step: int, steps: int
) -> float:
    """Set the learning rates and the weight decay of a step; return the backbone's rate."""
    rates = {
        part: cosine(step, steps, start, settings.final_learning_rate, settings.warmup_steps)
        for part, start in (
            ("backbone", settings.backbone_learning_rate),
            ("head", settings.head_learning_rate),
        )
    }
    if step < settings.head_alone:
        rates["backbone"] = 0.0
    decay = cosine(step, steps, settings.weight_decay, settings.final_weight_decay)
    for group in optimiser.param_groups:
        group["lr"] = rates[group["part"]]
        group["weight_decay"] = decay if group["decayed"] else 0.0
    return rates["backbone"]
