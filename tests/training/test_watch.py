"""Collapse is named once, in one line, with a remedy; strict trainings stop; heads start apart."""

import json
import logging

import pytest
import torch

from neco.config.training import Watch
from neco.errors import UserError
from neco.training import train
from neco.training.clock import Clock
from neco.training.metrics import StepMetrics
from neco.training.optimiser import build_optimiser
from neco.training.student_teacher import make_student, make_teacher
from neco.training.watch import CollapseWatch
from tests.training.tiny import small, tiny_backbone


def row(**changes: float) -> StepMetrics:
    healthy = dict.fromkeys(StepMetrics._fields, 1.0)
    healthy |= {"step": 7, "information": 0.3, "head_rank": 8.0, "backbone_rank": 20.0}
    return StepMetrics(**(healthy | changes))  # type: ignore[arg-type]


def test_a_healthy_row_says_nothing():
    assert CollapseWatch(Watch()).look(row()) == []


@pytest.mark.parametrize("name", ["information", "head_rank", "backbone_rank"])
def test_every_bound_is_named_once_with_what_to_change(name):
    watch = CollapseWatch(Watch())
    (line,) = watch.look(row(**{name: 0.05}))
    assert line.startswith(f"at step 7 {name} is 0.05, below train.watch.{name} ")
    assert "optimiser." in line or "loss." in line
    assert "\n" not in line and watch.look(row(**{name: 0.04})) == []


def test_bounds_are_settings():
    assert CollapseWatch(Watch(head_rank=10.0)).look(row())


def test_a_strict_training_stops_with_a_checkpoint(photos, tmp_path, caplog):
    bounds = {"head_rank": 1000.0}
    with caplog.at_level(logging.WARNING):
        train(tiny_backbone(), photos, small(watch=bounds), tmp_path / "told")
    assert sum("head_rank" in line for line in caplog.messages) == 1
    with pytest.raises(UserError, match=r"collapses, at step 0 head_rank .* stopped after"):
        train(tiny_backbone(), photos, small(watch=bounds | {"strict": True}), tmp_path / "strict")
    assert (tmp_path / "strict" / "checkpoint.ckpt").exists()
    train(tiny_backbone(), photos, small(watch=bounds), tmp_path / "strict")  # goes on when let
    about = json.loads((tmp_path / "strict" / "training.json").read_text())
    assert about["starts"] == 2 and about["device_name"]


def test_seconds_add_up_over_starts():
    clock = Clock(before=100.0)
    clock.fetched()
    clock.stepped(8)
    first = clock.pace(clock.waited)
    assert first.seconds > 100.0 and clock.seconds() >= first.seconds
    assert 0 <= first.data_wait <= 1 and first.images_per_second > 0
    assert clock.pace(0.0).images_per_second == 0  # counted anew


def test_heads_start_apart_or_copied():
    for head, same in (("apart", False), ("copied", True)):
        settings = small(teacher={"head": head})
        student = make_student(tiny_backbone(), settings)
        teacher = make_teacher(student, settings)
        weights = (student.head.layers[0].weight, teacher.head.layers[0].weight)
        assert torch.equal(*weights) == same
        assert torch.equal(*(n.backbone.model.norm.weight for n in (student, teacher)))
        assert not any(p.requires_grad for p in teacher.parameters())


def test_adam_with_decay_is_warned_of(caplog):
    head = torch.nn.Linear(2, 2)
    for name, warned in (("adamw", 0), ("adam", 1)):
        caplog.clear()
        build_optimiser(tiny_backbone(), head, small(optimiser={"name": name}).optimiser)
        assert len(caplog.messages) == warned
    quiet = {"name": "adam", "weight_decay": 0.0, "final_weight_decay": 0.0}
    caplog.clear()
    build_optimiser(tiny_backbone(), head, small(optimiser=quiet).optimiser)
    assert not caplog.messages
