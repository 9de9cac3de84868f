"""The loop of a fine-tuning: a network and images come in, and the network is trained in place.

It evaluates on the way, saves checkpoints and continues from one.
"""

import logging
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from neco.config.segmenter import Segmenter
from neco.data.dataset import Dataset
from neco.errors import UserError
from neco.evaluate.segmenter.images import training_batches
from neco.evaluate.segmenter.network import PaddedSegmenter
from neco.loading import batches
from neco.run_files import CHECKPOINT
from neco.training.checkpoint import (
    checkpoint_there,
    identity_of,
    read_checkpoint,
    save_checkpoint,
)
from neco.training.stopping import BrokenStepError, StopRequest, hear_in_backward, stopped

log = logging.getLogger(__name__)


def learning_rate(settings: Segmenter, first: float, iteration: int) -> float:
    """Return the learning rate of an iteration, as MMEngine's PolyLR does.

    It falls as a polynomial, from `first` in the first iteration to `final_rate` of it in the last.
    """
    last = settings.final_rate * first
    left = 1 - iteration / max(settings.iterations - 1, 1)
    return (first - last) * left**settings.decay_power + last


def fine_tuning_identity(
    network: PaddedSegmenter,
    dataset: Dataset,
    settings: Segmenter,
    rate: float,
    seed: int,
    origin: dict[str, Any] | None,
) -> dict[str, Any]:
    """Return the identity of a fine-tuning. Call it before the network is trained."""
    return identity_of(network, dataset.digest(), settings) | {
        "learning rate": rate, "seed": seed,
        "model": {key: str(value) for key, value in (origin or {}).items()},
    }  # fmt: skip


def fine_tune(
    network: PaddedSegmenter,
    dataset: Dataset,
    settings: Segmenter,
    rate: float,
    seed: int,
    folder: Path,
    validate: Callable[[], float],
    device: torch.device,
    workers: int = 0,
    origin: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Train the network in place, from `folder`/checkpoint.ckpt where there is one.

    validate: returns the mIoU on held-out images. origin: model, weights and data, which have to be
    those of the checkpoint too. Returns "seconds" (of the training and of evaluations on the way,
    over all starts) and "curve" (these evaluations, as "iteration" and "mIoU"). The last checkpoint
    stays until the caller has written its result and deletes it. Raises StoppedError when the
    fine-tuning is asked to stop; its checkpoint is saved. Raises UserError for a loss that is no
    longer finite, and for a checkpoint of other settings.
    """
    if device.type == "cpu":  # where a step may take many seconds
        hear_in_backward(network)
    optimiser = torch.optim.Adam(network.parameters(), lr=rate, weight_decay=settings.weight_decay)
    identity = fine_tuning_identity(network, dataset, settings, rate, seed, origin)
    checkpoint, first = folder / CHECKPOINT, 0
    kept: dict[str, Any] = {"seconds": 0.0, "curve": []}
    if checkpoint_there(checkpoint):
        state = read_checkpoint(checkpoint, identity)
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        first, kept = state["next_iteration"], state["kept"]
        log.info("segmenter: continues at iteration %d of %d", first, settings.iterations)
    began, spent = time.perf_counter(), kept["seconds"]

    def save(done: int) -> None:
        kept["seconds"] = spent + time.perf_counter() - began
        state = {"next_iteration": done, "kept": kept,
                 "network": network.state_dict(), "optimiser": optimiser.state_dict()}  # fmt: skip
        save_checkpoint(checkpoint, state, identity)

    def validated(done: int) -> None:
        """Evaluate on the way, where that is due and was not done before the last stop."""
        due = settings.validate_every and done and done % settings.validate_every == 0
        if (
            due
            and done < settings.iterations
            and done not in {c["iteration"] for c in kept["curve"]}
        ):
            kept["curve"].append({"iteration": done, "mIoU": validate()})
            log.info("segmenter: %d: mIoU %.2f", done, kept["curve"][-1]["mIoU"])

    images = training_batches(dataset, settings, seed, first, workers)
    with StopRequest() as stop:
        done = first
        try:
            with stop.breakable():
                validated(done)
            for iteration, batch in enumerate(batches(images, lambda: stop.asked), start=first):
                with stop.breakable():
                    losses = _step(
                        network, optimiser, batch, settings, rate, seed, iteration, stop.unbroken
                    )
                done, last = iteration + 1, iteration + 1 == settings.iterations
                if done % settings.log_every == 0 or last:
                    _report(losses, done, settings, folder, spent + time.perf_counter() - began)
                with stop.breakable():
                    validated(done)
                if stop.asked and not last:
                    break
                if done % settings.checkpoint_every == 0 or last:
                    save(done)
        except BrokenStepError:
            pass  # what was broken off has changed nothing
        if stop.asked and done < settings.iterations:
            save(done)
            raise stopped(
                f"segmenter: stopped by {stop.asked.name} after iteration {done} of "
                f"{settings.iterations}; {checkpoint} is saved, the same command continues",
                stop.asked,
            )
    return kept


def _step(
    network: PaddedSegmenter,
    optimiser: torch.optim.Optimizer,
    batch: dict[str, Any],
    settings: Segmenter,
    rate: float,
    seed: int,
    iteration: int,
    unbroken: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> dict[str, Tensor]:
    """Train on one batch; return MMSegmentation's losses, still on the device."""
    torch.manual_seed(seed * 1_000_003 + iteration)  # to drop the same paths when it continues
    for group in optimiser.param_groups:
        group["lr"] = learning_rate(settings, rate, iteration)
    network.train()
    losses = network.loss(**network.data_preprocessor(batch, training=True))
    optimiser.zero_grad(set_to_none=True)
    losses["loss_ce"].backward()
    with unbroken():
        optimiser.step()
    return losses


def _report(
    losses: dict[str, Tensor], done: int, settings: Segmenter, folder: Path, seconds: float
) -> None:
    loss, accuracy = losses["loss_ce"].item(), losses["acc_seg"].item()
    if not math.isfinite(loss):
        raise UserError(
            f"{folder}: the loss is {loss} at iteration {done}; leave this learning rate out of "
            "segmenter.learning_rates, or set segmenter.precision=32-true"
        )
    total = settings.iterations
    log.info("segmenter: %d of %d: loss %.4f, accuracy %.1f %%, %.0f s",
             done, total, loss, accuracy, seconds)  # fmt: skip
