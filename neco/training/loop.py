"""NeCo post-training, readable top to bottom. Source: paper, section 3 and appendix A.1."""

import logging
import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.utilities.seed import seed_everything
from torch import Tensor

from neco.backbones.backbone import Backbone
from neco.backbones.load import export_state_dict
from neco.config import Train, digest
from neco.data.dataset import Dataset
from neco.errors import UserError
from neco.foreground import foreground_mask
from neco.loading import batches
from neco.loss import LossTerms, NeCoLoss, effective_rank
from neco.precision import device_name
from neco.schedules import cosine
from neco.share import Share
from neco.training.batches import total_steps, view_loader
from neco.training.checkpoint import (
    checkpoint_there,
    identity_of,
    read_checkpoint,
    save_checkpoint,
)
from neco.training.clock import Clock
from neco.training.finish import publish, published
from neco.training.launch import launch, refuse_unequal_shares
from neco.training.metrics import MetricsWriter, StepMetrics
from neco.training.optimiser import build_optimiser, set_rates
from neco.training.parts import joined, parts_of, total
from neco.training.stopping import BrokenStepError, StopRequest, agree, hear_in_backward, stopped
from neco.training.student_teacher import (
    Projected,
    compile_blocks,
    follow,
    make_student,
    make_teacher,
    some_tokens,
)
from neco.training.watch import CollapseWatch
from neco.views import Photographs, Views, crops_on_device, photometric

log = logging.getLogger(__name__)


class Training:
    """The networks, the optimiser and the loss of one run, and the step that changes them."""

    def __init__(self, backbone: Backbone, settings: Train, steps: int, fabric: Fabric) -> None:
        self.settings, self.steps, self.fabric = settings, steps, fabric
        self.share = Share(fabric.global_rank, fabric.world_size)
        seed_everything(settings.seed, verbose=False)
        if fabric.device.type == "cpu":
            backbone.attend_plainly()
        self.student = make_student(backbone, settings).to(fabric.device).train()
        self.teacher: Projected | None = None
        if settings.teacher.kind == "ema":
            self.teacher = make_teacher(self.student, settings)
        if settings.compile:
            for network in filter(None, (self.student, self.teacher)):
                compile_blocks(network)
        optimiser = build_optimiser(
            self.student.backbone,
            self.student.head,
            settings.optimiser,
            # A fused step unscales float16 gradients itself, which then cannot be clipped.
            fused=fabric.device.type == "cuda" and settings.precision != "16-mixed",
        )
        self.distributed, self.optimiser = fabric.setup(self.student, optimiser)
        self.loss = NeCoLoss(
            settings.loss, self.student.head.output, fabric.device, self.share,
            settings.crops.global_count,
        )  # fmt: skip

    def step(
        self,
        views: Views | Photographs,
        step: int,
        unbroken: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> LossTerms:
        """Train on one batch; return its loss terms, still on the device.

        unbroken: entered where networks begin to change, before which a step may be broken off.
        """
        # Every random choice is a function of (seed, step): a resumed run makes the same ones. What
        # the generator draws is the same in every process; dropped paths are its own.
        seed = (self.settings.seed * 1_000_003 + step) * 1009
        generator = torch.Generator().manual_seed(seed)
        crops, boxes = self._coloured(views, generator)
        if step == 0 and self.settings.head.start == "principal":
            self._fit_heads(crops[0])
        set_rates(self.optimiser, self.settings.optimiser, step, self.steps)
        parts = parts_of(len(boxes), self.settings.accumulate)
        # One part: its pass serves references and gradient. Several: references, which may come
        # from any part, are there before the first part's gradient.
        whole = self._student(crops, seed) if len(parts) == 1 else None
        teacher, foreground = self._teacher(crops[0], parts)
        pool = whole[: len(teacher)] if whole else self._reference_pool(crops[0], parts, seed)
        if self.share.rank and not self.settings.loss.references.gather:
            generator.manual_seed(seed + self.share.rank)  # each process draws from its own pool
        targets = self.loss.targets(teacher, pool, boxes, generator, foreground)
        self.optimiser.zero_grad(set_to_none=True)
        terms = []
        for number, images in enumerate(parts):
            with self.fabric.no_backward_sync(self.distributed, enabled=number + 1 < len(parts)):
                student = whole or self._student([group[images] for group in crops], seed, number)
                terms.append(self.loss.compare(student, targets.of(images), boxes[images]))
                self.fabric.backward(terms[-1].loss)
        if self.settings.optimiser.gradient_clip is not None:
            self.fabric.clip_gradients(
                self.distributed, self.optimiser,
                max_norm=self.settings.optimiser.gradient_clip, error_if_nonfinite=False,
            )  # fmt: skip
        with unbroken():
            if self.settings.teacher.moves == "before_step":
                self._move_teacher(step)
            self.optimiser.step()
            if self.settings.teacher.moves == "after_step":
                self._move_teacher(step)
        return total(terms)

    def _move_teacher(self, step: int) -> None:
        if self.teacher is not None:
            follow(self.teacher, self.student, self.momentum(step))

    def _fit_heads(self, crops: Tensor) -> None:
        """Start both heads as the principal components of tokens of crops (B, G, 3, H, W)."""
        with torch.no_grad(), self.fabric.autocast():
            tokens = self.student.backbone(crops.flatten(0, 1))
        tokens = self.share.gathered(some_tokens(tokens))
        for network in filter(None, (self.student, self.teacher)):
            network.head.fit(tokens)

    def _student(self, crops: list[Tensor], seed: int, part: int = 0) -> list[Tensor]:
        """Return projected grids (B, rows, columns, D) of all crops, global crops first.

        The same part drops the same paths again.
        """
        torch.manual_seed(seed + self.share.rank + part * self.share.processes)
        return [grid for group in self.distributed(crops) for grid in group]

    def _teacher(
        self, crops: Tensor, parts: list[slice]
    ) -> tuple[list[Tensor], list[Tensor] | None]:
        """Return, per global crop, the teacher's grids and foreground masks (None: not needed).

        crops: (B, G, 3, H, W). Returns grids (B, rows, columns, D), masks (B, rows, columns).
        """
        network = self.teacher or self.student
        with torch.no_grad(), self.fabric.autocast():
            grids = joined([network([crops[images]])[0] for images in parts])
            if self.settings.loss.patches == "both":
                return grids, None
            return grids, joined([self._foreground(crops[images]) for images in parts])

    def _reference_pool(self, crops: Tensor, parts: list[slice], seed: int) -> list[Tensor]:
        """Return the student's grids (B, rows, columns, D) of the global crops, without gradient.

        crops: (B, G, 3, H, W). Returns nothing where references do not come from the student.
        """
        if self.settings.loss.references.source != "student":
            return []
        with torch.no_grad():
            return joined(
                [self._student([crops[images]], seed, part) for part, images in enumerate(parts)]
            )

    def momentum(self, step: int) -> float:
        """Return the teacher's momentum at a step."""
        teacher = self.settings.teacher
        return cosine(step, self.steps, teacher.momentum, teacher.final_momentum)

    def _coloured(
        self, views: Views | Photographs, generator: torch.Generator
    ) -> tuple[list[Tensor], Tensor]:
        """Return the groups of normalised crops (B, count, 3, H, W), and boxes (B, V, 4)."""
        groups, boxes = crops_on_device(views, self.settings.crops, self.fabric.device)
        changes = self.settings.photometric
        coloured = [
            photometric(crops.flatten(0, 1), changes, generator, self.share).unflatten(
                0, crops.shape[:2]
            )
            for crops in groups
        ]
        return coloured, boxes

    def _foreground(self, crops: Tensor) -> list[Tensor]:
        """Return a foreground mask (B, rows, columns) per global crop (B, G, 3, H, W)."""
        backbone = (self.teacher or self.student).backbone
        attention = backbone.class_attention(crops.flatten(0, 1))
        masks = foreground_mask(attention, self.settings.loss.foreground_mass)
        return list(masks.unflatten(0, crops.shape[:2]).unbind(dim=1))

    def state_dict(self, next_step: int, seconds: float, starts: int) -> dict[str, Any]:
        """Return everything that a later run needs to go on at `next_step`.

        seconds, starts: how long the training took until now, in how many starts.
        """
        return {
            "next_step": next_step,
            "seconds": seconds,
            "starts": starts,
            "student": self.student.state_dict(),
            "teacher": self.teacher.state_dict() if self.teacher else None,
            "optimiser": self.optimiser.state_dict(),
            "queue": self.loss.queue.state_dict() if self.loss.queue else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a checkpoint's state."""
        self.student.load_state_dict(state["student"])
        self.optimiser.load_state_dict(state["optimiser"])
        if self.teacher is not None:
            self.teacher.load_state_dict(state["teacher"])
        if self.loss.queue is not None:
            self.loss.queue.load_state_dict(state["queue"])


def train(
    backbone: Backbone, dataset: Dataset, settings: Train, folder: Path, title: str = "NeCo",
    fabric: Fabric | None = None,
) -> Path:  # fmt: skip
    """Post-train a backbone on a dataset's images (labels are not read).

    Writes to `folder`: backbone.safetensors (the student, a timm state dict), metrics.csv,
    training.json and tensorboard/; meanwhile checkpoint.ckpt and metrics.partial, from which the
    same call continues. A training that is finished already is not run again.
    Returns the path of backbone.safetensors. Raises UserError when asked to stop (the checkpoint
    is saved), when the loss is no longer finite, and for a checkpoint of another training.
    """
    fabric = fabric or launch(1, 1, settings.precision)
    refuse_unequal_shares(settings, fabric.world_size)
    steps = total_steps(len(dataset), settings)
    checkpoint, first, rows = folder / "checkpoint.ckpt", 0, None
    identity = identity_of(backbone, dataset.digest(masks=False), settings)
    output = published(folder, identity, checkpoint) if fabric.is_global_zero else None
    if output := fabric.broadcast(output):
        return Path(output)
    training = Training(backbone, settings, steps, fabric)
    if fabric.device.type == "cpu":  # where a step may take many seconds
        hear_in_backward(training.student.backbone)
    starts, before = 1, 0.0
    if fabric.broadcast(checkpoint_there(checkpoint)):
        state = read_checkpoint(checkpoint, identity, fabric.device)
        training.load_state_dict(state)
        first, rows = state["next_step"], state.get("metrics")
        starts, before = state["starts"] + 1, state["seconds"]
        log.info("%s: continues at step %d of %d", title, first, steps)
    clock = Clock(before)
    watch = CollapseWatch(settings.watch)
    writer = MetricsWriter(folder, title, first, steps, rows) if fabric.is_global_zero else None

    def save(next_step: int) -> None:
        """Save the state in one process; an error in it is one in all."""
        error = None
        if writer:
            try:
                state = training.state_dict(next_step, clock.seconds(), starts)
                save_checkpoint(checkpoint, {**state, "metrics": writer.text()}, identity)
            except (UserError, OSError) as trouble:
                error = trouble
        agree(fabric, error)

    with StopRequest(fabric.world_size == 1) as stop, writer or nullcontext():
        # Several processes agree after a step; one alone must not leave the others waiting.
        asked_alone = (lambda: stop.asked) if fabric.world_size == 1 else (lambda: None)
        loader = view_loader(dataset, settings, first, *training.share)
        step, asked, collapse = first - 1, None, list[str]()
        for step, views in enumerate(batches(loader, asked_alone), start=first):
            clock.fetched()
            queued = training.loss.queue.state_dict() if training.loss.queue else None
            try:
                with stop.breakable():
                    terms = training.step(views, step, stop.unbroken)
            except BrokenStepError:  # as if this step had not begun
                if training.loss.queue and queued:
                    training.loss.queue.load_state_dict(queued)
                step -= 1
                break
            clock.stepped(settings.batch_size)
            last = step + 1 == steps
            telling = (step + 1) % settings.log_every == 0 or last
            collapse = []
            if telling:
                row = _row(training, terms, step, clock, folder)
                collapse = watch.look(row)
                if writer:
                    writer.write(row)
                    for line in collapse:
                        log.warning("%s: %s", title, line)
            saving = (step + 1) % settings.checkpoint_every == 0
            asked = stop.agreed(fabric) if telling or fabric.world_size == 1 else None
            if asked or (collapse and settings.watch.strict):
                break
            if saving and not last:
                save(step + 1)
        if step + 1 < steps:
            asked = asked or stop.asked
            if not asked and not collapse:
                raise RuntimeError(f"images ended after step {step + 1} of {steps}")
            save(step + 1)
            why = f"stopped by {asked.name}" if asked else f"collapses, {collapse[0]}; stopped"
            told = (
                f"{title}: {why} after step {step + 1} of {steps}; "
                f"{checkpoint} is saved, the same command continues from it"
            )
            raise stopped(told, asked) if asked else UserError(told)
    if writer:
        weights = export_state_dict(training.student.backbone)
        about = _description(training, len(dataset), clock.seconds(), starts)
        publish(folder, weights, writer.text(), about, identity, checkpoint)
    fabric.barrier()
    return folder / "backbone.safetensors"


def _row(
    training: Training, terms: LossTerms, step: int, clock: Clock, folder: Path
) -> StepMetrics:
    """Return the metrics of a step over all processes; every process has to ask."""
    means = training.fabric.all_reduce(torch.stack([terms.loss.detach(), terms.floor]))
    loss, floor = means.tolist()
    _refuse_divergence(loss, step, folder)
    longest_wait = training.fabric.all_reduce(torch.tensor(clock.waited), reduce_op="max").item()
    settings, seen = training.settings.loss, training.student.seen
    assert seen is not None  # noqa: S101 (for mypy)
    return StepMetrics(
        step=step,
        loss=loss,
        floor=floor,
        excess=loss - floor,
        information=1 - floor / (math.log(settings.references.count) * (1 + settings.two_way)),
        head_rank=effective_rank(training.share.gathered(terms.aligned)),
        backbone_rank=effective_rank(training.share.gathered(seen)),
        learning_rate=training.optimiser.param_groups[0]["lr"],
        momentum=training.momentum(step),
        **clock.pace(longest_wait)._asdict(),
    )


def _refuse_divergence(loss: float, step: int, folder: Path) -> None:
    if not math.isfinite(loss):
        raise UserError(
            f"{folder}: the loss is {loss} at step {step}; lower train.optimiser's learning "
            "rates or loss.sorting's steepness, or train in 32-true"
        )


def _description(training: Training, images: int, seconds: float, starts: int) -> dict[str, Any]:
    """Return training.json: what was run, on what, and how long it took over all its starts."""
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
