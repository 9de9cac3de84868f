"""What the optimiser decays, and the rates of the network and of the head."""

import pytest
import torch

from neco.training.optimiser import build_optimiser, set_rates
from tests.training.tiny import small, tiny_backbone


def test_norms_and_biases_are_not_decayed():
    student = tiny_backbone()
    head = torch.nn.Linear(4, 4)
    settings = small().optimiser
    optimiser = build_optimiser(student, head, settings)
    set_rates(optimiser, settings, 0, 10)
    decay = {id(p): group["weight_decay"] for group in optimiser.param_groups
             for p in group["params"]}  # fmt: skip
    rate = {id(p): group["lr"] for group in optimiser.param_groups for p in group["params"]}
    assert decay[id(head.bias)] == 0 and decay[id(head.weight)] == pytest.approx(0.04)
    assert decay[id(student.model.norm.weight)] == 0
    assert rate[id(head.weight)] == pytest.approx(1e-4)
    assert rate[id(student.model.norm.weight)] == pytest.approx(1e-6)
    set_rates(optimiser, settings, 10, 10)
    assert {group["lr"] for group in optimiser.param_groups} == {0.0}
