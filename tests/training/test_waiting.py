"""A step never asks the device for a value, and the loss is computed in float32."""

import pytest
import torch
from lightning_fabric import Fabric
from torch.utils._python_dispatch import TorchDispatchMode

import neco.loss
from neco.training.step import Training
from neco.views import Views
from tests.training.test_golden import batch
from tests.training.test_processes import settings_of
from tests.training.tiny import tiny_backbone

ASKING = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "unique", "is_nonzero")
"""Operations whose result the host has to wait for, on any device."""


class Asked(TorchDispatchMode):
    """Notes the operations that make the host wait."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[str] = []

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        if operation._schema.name.removeprefix("aten::").split(".")[0].startswith(ASKING):
            self.operations.append(str(operation))
        return operation(*args, **(kwargs or {}))


def asked(case: str, monkeypatch: pytest.MonkeyPatch, **changes) -> list[str]:
    """Return what a step asks; colours are drawn before, and a CPU's Adam reads its own counter."""
    training = Training(
        tiny_backbone(0.0), settings_of(case, **changes), 3, Fabric(accelerator="cpu", devices=1)
    )
    generator = torch.Generator().manual_seed(0)
    coloured = training._coloured(batch(0), generator)
    monkeypatch.setattr(training, "_coloured", lambda *_: coloured)
    monkeypatch.setattr(training.optimiser, "step", lambda: None)
    with Asked() as mode:
        training.step(batch(0), 0)
    return mode.operations


@pytest.mark.parametrize("case", ["student", "student with gradient", "teacher", "queue"])
@pytest.mark.parametrize("changes", [{}, {"optimiser": {"gradient_clip": 0.1}}])
def test_a_step_asks_for_no_value(monkeypatch, case, changes):
    assert asked(case, monkeypatch, **changes) == []


def test_foreground_patches_do_ask(monkeypatch):
    """Masks select rows, of which the host has to know the number: Table 5a alone pays for it."""
    assert any("nonzero" in operation for operation in asked("foreground", monkeypatch))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_step_on_a_gpu_waits_for_nothing():
    fabric = Fabric(accelerator="cuda", devices=1, precision="bf16-mixed")
    training = Training(tiny_backbone(0.0), settings_of("student"), 9, fabric)
    views = Views(*(part.pin_memory() for part in batch(0)))
    for step in range(3):  # kernels are built, constants are there
        training.step(views, step)
    torch.cuda.set_sync_debug_mode("error")
    try:
        training.step(views, 3)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_the_loss_is_computed_in_float32_beside_bfloat16(monkeypatch):
    seen = []
    compare = neco.loss.sorting_cross_entropy

    def noting(student, teacher, *rest, **named):
        seen.extend([student.dtype, teacher.dtype, torch.is_autocast_enabled("cpu")])
        return compare(student, teacher, *rest, **named)

    monkeypatch.setattr(neco.loss, "sorting_cross_entropy", noting)
    fabric = Fabric(accelerator="cpu", devices=1, precision="bf16-mixed")
    training = Training(tiny_backbone(0.0), settings_of("student"), 3, fabric)
    training.step(batch(0), 0)
    assert seen == [torch.float32, torch.float32, False]
