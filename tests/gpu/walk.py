"""Steps of a training on a card that is not there; prints a JSON line for each case.

python -m tests.gpu.walk
"""

import json
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import torch

from benchmarks.training import network, noise
from neco.config import Train
from neco.config.base import merged, validated
from neco.config.training import PRESETS, with_preset
from neco.training.launch import launch
from neco.training.step import Training
from neco.views.photographs import Photographs
from tests.gpu.pretended import Card, backward, pretended_card

TOY: dict[str, Any] = {
    "crops": {"global_size": 32, "local_size": 16},
    "loss": {"references": {"count": 9}},
    "batch_size": 4,
    "steps": 10,
    "precision": "auto",
}
CASES: dict[str, dict[str, Any]] = {
    **{name: {"preset": name} for name in PRESETS},
    "clipped": {"optimiser": {"gradient_clip": 0.1}, "drop_path": 0.1},
    "parts": {"accumulate": 2},
    "float16": {"precision": "16-mixed"},
    "photographs": {},
}


def photographs(views: int) -> Photographs:
    """Return four images of two sizes with boxes that overlap."""
    shapes = torch.tensor([[40, 60], [50, 30]] * 2)
    boxes = torch.tensor([0.0, 0.0, 28.0, 28.0]).repeat(4, views, 1)
    pixels = torch.zeros(int(3 * shapes.prod(dim=1).sum()), dtype=torch.uint8)
    return Photographs(pixels, shapes, boxes, boxes.clone())


def walked(name: str) -> dict[str, Any]:
    """Return what two steps leave behind."""
    asked = merged(TOY, CASES[name])
    settings = validated(Train, with_preset(asked, name), name)
    types: set[str] = set()
    sorts = 0

    def noted(loss: torch.Tensor, *_: Any, **__: Any) -> None:
        nonlocal sorts
        sorts += backward(loss)
        types.add(f"{loss.device} {loss.dtype}")

    with pretended_card() as launches:
        fabric = launch(1, 1, settings.precision, "cuda")
        training = Training(network("demo-vit"), settings, 10, fabric)
        views: Any = noise(settings, training)
        if name == "photographs":
            views = photographs(settings.crops.global_count + settings.crops.local_count)
        with patch.object(fabric, "backward", noted), unscaled(training):
            for step in range(2):
                Card.strict = step > 0
                terms = training.step(views, step)
        Card.strict = False
        parameters = [
            *training.student.parameters(),
            *(training.teacher or training.student).parameters(),
        ]
        return {
            "case": name,
            "losses": sorted(types),
            "floor": str(terms.floor.device),
            "aligned": str(terms.aligned.dtype),
            "sorts": sorts,
            "kernels": sorted({launch.kernel for launch in launches}),
            "parameters": sorted({f"{p.device} {p.dtype}" for p in parameters}),
            "buffers": sorted({str(b.device) for b in training.student.buffers()}),
            "precision": fabric.strategy.precision.precision,
            "fused": [group["fused"] for group in training.optimiser.param_groups],
            "untrained": sum(
                p.requires_grad and p.grad is None for p in training.student.parameters()
            ),
        }


def unscaled(training: Training) -> Any:
    """Return a context in which float16's scaler, which reads values, lets the optimiser step."""
    scaler = getattr(training.fabric.strategy.precision, "scaler", None)
    if scaler is None:
        return patch.object(training, "steps", training.steps)
    return patch.multiple(
        scaler,
        step=lambda optimiser, *_, **__: optimiser.step(),
        update=lambda: None,
        unscale_=lambda _: None,
    )


def cases() -> Iterator[dict[str, Any]]:
    """Yield a record of every case; one that raises ends the walk with its traceback."""
    for name in CASES:
        yield walked(name)


if __name__ == "__main__":
    for record in cases():
        print(json.dumps(record), flush=True)
