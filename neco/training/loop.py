"""NeCo post-training, to be read from top to bottom; step.py has the step.

In come a backbone and a dataset's images. Out come the trained backbone's weights, the metrics of
the training and a description of it. Source: paper, section 3 and appendix A.1.
"""

import logging
import math
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from neco.backbones.backbone import Backbone
from neco.backbones.load import export_state_dict
from neco.config import Train, digest
from neco.data.dataset import Dataset
from neco.errors import UserError
from neco.loading import batches
from neco.loss import LossTerms, effective_rank
from neco.precision import device_name
from neco.run_files import CHECKPOINT, WEIGHTS
from neco.training.batches import total_steps, view_loader
from neco.training.check import refuse_impossible
from neco.training.checkpoint import (
    checkpoint_there,
    identity_of,
    read_checkpoint,
    save_checkpoint,
)
from neco.training.clock import Clock, mark
from neco.training.finish import publish, published
from neco.training.launch import launch
from neco.training.metrics import MetricsWriter, StepMetrics
from neco.training.step import Training
from neco.training.stopping import BrokenStepError, StopRequest, agree, hear_in_backward, stopped
from neco.training.watch import CollapseWatch

log = logging.getLogger(__name__)


def train(
    backbone: Backbone, dataset: Dataset, settings: Train, folder: Path, title: str = "NeCo",
    fabric: Fabric | None = None, about: Mapping[str, Any] | None = None,
) -> Path:  # fmt: skip
    """Post-train a backbone on a dataset's images and return the path of the trained weights.

    The dataset's labels are not read. `folder` receives backbone.safetensors (the student's
    backbone as a timm state dict), metrics.csv, training.json and tensorboard/. During the training
    it holds checkpoint.ckpt and metrics.partial, from which the same call continues. A training
    that is already finished is not run again.

    title: names the training in messages and bars. fabric: the processes that train together. None
    is one process on one device. about: what else training.json says, as `about_start` returns it.
    Raises StoppedError when the training is asked to stop; its checkpoint is saved. Raises
    UserError when the loss is no longer finite, when `train.watch.strict` meets a collapse, and
    when the folder holds the checkpoint of another training.
    """
    fabric = fabric or launch(1, 1, settings.precision)
    refuse_impossible(backbone, len(dataset), settings, fabric.world_size)
    steps = total_steps(len(dataset), settings)
    checkpoint, first, rows = folder / CHECKPOINT, 0, None
    identity = identity_of(backbone, dataset.digest(masks=False), settings)
    output = published(folder, identity, checkpoint) if fabric.is_global_zero else None
    if output := fabric.broadcast(output):
        return Path(output)
    training = Training(backbone, settings, steps, fabric)
    if fabric.device.type == "cpu":  # where a step may take many seconds
        hear_in_backward(training.student.backbone)
    starts, before = 1, 0.0
    if fabric.broadcast(checkpoint_there(checkpoint)):
        state = read_checkpoint(checkpoint, identity)
        training.load_state_dict(state)
        first, rows = state["next_step"], state.get("metrics")
        starts, before = state["starts"] + 1, state["seconds"]
        del state  # the networks have copies
        log.info("%s: continues at step %d of %d", title, first, steps)
    clock = Clock(before)
    watch = CollapseWatch(settings.watch)
    writer = MetricsWriter(folder, title, first, steps, rows) if fabric.is_global_zero else None

    def save(next_step: int) -> None:
        """Save a checkpoint in the first process. An error there ends all processes."""
        error = None
        if writer:
            try:
                state = training.state_dict(next_step, clock.seconds(), starts)
                save_checkpoint(checkpoint, {**state, "metrics": writer.text()}, identity)
            except (UserError, OSError) as trouble:
                error = trouble
        agree(fabric, error)

    with StopRequest(fabric.world_size == 1) as stop, writer or nullcontext():
        # Several processes stop together, after a step. One that stopped while it waits for images
        # would leave the others waiting for it.
        asked_alone = (lambda: stop.asked) if fabric.world_size == 1 else (lambda: None)
        loader = view_loader(dataset, settings, first, *training.share)
        step, asked, collapse = first - 1, None, list[str]()
        previous = mark(fabric.device)
        for step, views in enumerate(batches(loader, asked_alone), start=first):
            clock.fetched()
            queued = training.loss.queue.state_dict() if training.loss.queue else None
            try:
                with stop.breakable():
                    terms = training.step(views, step, stop.unbroken)
            except BrokenStepError:  # go back to where this step began
                if training.loss.queue and queued:
                    training.loss.queue.load_state_dict(queued)
                step -= 1
                break
            # The host of a GPU gets one step ahead and no further: it would wait for images that
            # the GPU does not need yet, and `data_wait` would count that.
            previous()
            previous = mark(fabric.device)
            clock.stepped(settings.batch_size)
            last = step + 1 == steps
            reporting = (step + 1) % settings.log_every == 0 or last
            collapse = []
            if reporting:
                row = _row(training, terms, step, clock, folder)
                collapse = watch.look(row)
                if writer:
                    writer.write(row)
                    for line in collapse:
                        log.warning("%s: %s", title, line)
            saving = (step + 1) % settings.checkpoint_every == 0
            asked = stop.agreed(fabric) if reporting or fabric.world_size == 1 else None
            if asked or (collapse and settings.watch.strict):
                break
            if saving and not last:
                save(step + 1)
                clock.saved()
        if step + 1 < steps:
            asked = asked or stop.asked
            if not asked and not collapse:
                raise RuntimeError(f"images ended after step {step + 1} of {steps}")
            save(step + 1)
            why = f"stopped by {asked.name}" if asked else f"collapses, {collapse[0]}; stopped"
            message = (
                f"{title}: {why} after step {step + 1} of {steps}; "
                f"{checkpoint} is saved, the same command continues from it"
            )
            raise stopped(message, asked) if asked else UserError(message)
    if writer:
        weights = export_state_dict(training.student.backbone)
        description = {
            **(about or {}),
            **_description(training, len(dataset), clock.seconds(), starts),
            "data_digest": identity["data"],
            "start_digest": identity["start"],
        }
        publish(folder, weights, writer.text(), description, identity, checkpoint)
    fabric.barrier()
    return folder / WEIGHTS


def _row(
    training: Training, terms: LossTerms, step: int, clock: Clock, folder: Path
) -> StepMetrics:
    """Return the metrics of a step over all processes.

    Every process has to call it, because they exchange values. Raises UserError for a loss that is
    no longer finite.
    """
    means = training.fabric.all_reduce(torch.stack([terms.loss.detach(), terms.floor]))
    loss, floor = means.tolist()
    _refuse_divergence(loss, step, folder)
    longest_wait = training.fabric.all_reduce(torch.tensor(clock.waited), reduce_op="max").item()
    settings, tokens = training.settings.loss, training.student.backbone_tokens
    assert tokens is not None  # noqa: S101 (for mypy)
    return StepMetrics(
        step=step,
        loss=loss,
        floor=floor,
        excess=loss - floor,
        information=1 - floor / (math.log(settings.references.count) * (1 + settings.two_way)),
        head_rank=effective_rank(training.share.gathered(terms.aligned)),
        backbone_rank=effective_rank(training.share.gathered(tokens)),
        learning_rate=training.optimiser.param_groups[0]["lr"],
        momentum=training.momentum(step),
        **clock.pace(longest_wait)._asdict(),
    )


def _refuse_divergence(loss: float, step: int, folder: Path) -> None:
    if not math.isfinite(loss):
        raise UserError(
            f"{folder}: the loss is {loss} at step {step}; lower the learning rates in "
            "train.optimiser or the steepness in train.loss.sorting, or set train.precision=32-true"
        )


def _description(training: Training, images: int, seconds: float, starts: int) -> dict[str, Any]:
    """Return what training.json says: the settings, the machine, and the seconds of all starts."""
    fabric, settings = training.fabric, training.settings
    return {
        "settings": settings.model_dump(mode="json"),
        "settings_digest": digest(settings.identity()),
        "images": images,
        "steps": training.steps,
        "seconds": round(seconds, 1),
        "starts": starts,
        "device": str(fabric.device),
        "device_name": device_name(fabric.device),
        "processes": fabric.world_size,
        "precision": fabric.strategy.precision.precision,
        "torch": torch.__version__,
    }
