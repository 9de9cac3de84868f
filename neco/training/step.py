"""One step of NeCo's training, and the networks and the optimiser that it changes.

A batch of views comes in. Student and teacher move, and the terms of the batch's loss come out.
Source: paper, section 3 and appendix A.1.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.utilities.seed import seed_everything
from torch import Tensor

from neco.backbones.backbone import Backbone
from neco.config import Train
from neco.foreground import foreground_mask
from neco.loss import LossTerms, NeCoLoss
from neco.schedules import cosine
from neco.share import Share
from neco.training.compilation import compile_blocks
from neco.training.optimiser import build_optimiser, set_rates
from neco.training.student_teacher import (
    Projected,
    follow,
    make_student,
    make_teacher,
    some_tokens,
)
from neco.views import Photographs, Views, photometric, views_on_device


class Training:
    """The networks, the optimiser and the loss of one training, and the step that changes them.

    backbone: becomes the student's. steps: how many the whole training has. Schedules end there.
    """

    def __init__(self, backbone: Backbone, settings: Train, steps: int, fabric: Fabric) -> None:
        self.settings, self.steps, self.fabric = settings, steps, fabric
        self.share = Share(fabric.global_rank, fabric.world_size)
        seed_everything(settings.seed, verbose=False)
        backbone.attend_for_training(fabric.device.type, settings.precision)
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
        """Train on one batch and return the terms of its loss, still on the device.

        views: those of this process's share of the batch. step: counts from 0. unbroken: is entered
        when the networks begin to change. Before that, a step may be broken off.
        """
        # Every random choice follows from seed and step, so a training that continues makes the
        # same ones. The generator draws the same numbers in every process. Each drops other paths.
        seed = (self.settings.seed * 1_000_003 + step) * 1009
        generator = torch.Generator().manual_seed(seed)
        groups, boxes = self._coloured(views, generator)
        if step == 0 and self.settings.head.start == "principal":
            self._fit_heads(groups[0])
        set_rates(self.optimiser, self.settings.optimiser, step, self.steps)
        parts = parts_of(len(boxes), self.settings.accumulate)
        # With one part, one pass of the student gives the references and has the gradient. With
        # several, references of one part may come from any other part. So a first pass over all
        # parts, without gradient, gives the references.
        whole = self._student(groups, seed) if len(parts) == 1 else None
        teacher, foreground = self._teacher(groups[0], parts)
        pool = whole[: len(teacher)] if whole else self._reference_pool(groups[0], parts, seed)
        if self.share.rank and not self.settings.loss.references.gather:
            # Each process draws references from its own patches, so its draws can be its own too.
            generator.manual_seed(seed + self.share.rank)
        targets = self.loss.targets(teacher, pool, boxes, generator, foreground)
        self.optimiser.zero_grad(set_to_none=True)
        terms = []
        for number, images in enumerate(parts):
            with self.fabric.no_backward_sync(self.distributed, enabled=number + 1 < len(parts)):
                student = whole or self._student([group[images] for group in groups], seed, number)
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

    def _fit_heads(self, views: Tensor) -> None:
        """Set both heads to the principal components of the tokens of views (B, G, 3, H, W)."""
        with torch.no_grad(), self.fabric.autocast():
            tokens = self.student.backbone(views.flatten(0, 1))
        tokens = self.share.gathered(some_tokens(tokens))
        for network in filter(None, (self.student, self.teacher)):
            network.head.fit(tokens)
            # Components have no sign: other hardware or another library may turn them around.
            self.share.same(network.head.parameters())

    def _student(self, groups: list[Tensor], seed: int, part: int = 0) -> list[Tensor]:
        """Return, for each of the V crops, the student's projected tokens (B, rows, columns, D).

        groups: views of one size each, (B, count, 3, H, W), global views first. seed: that of this
        step. part: the number of the part. A second pass of the same part drops the same paths.
        """
        torch.manual_seed(seed + self.share.rank + part * self.share.processes)
        return [grid for group in self.distributed(groups) for grid in group]

    def _teacher(
        self, views: Tensor, parts: list[slice]
    ) -> tuple[list[Tensor], list[Tensor] | None]:
        """Return, for each of the G global crops, the teacher's tokens and foreground.

        views: (B, G, 3, H, W). The tokens are projected ones, (B, rows, columns, D). The foreground
        is bool (B, rows, columns), or None where `loss.patches` needs none.
        """
        network = self.teacher or self.student
        with torch.no_grad(), self.fabric.autocast():
            grids = joined([network([views[images]])[0] for images in parts])
            if self.settings.loss.patches == "both":
                return grids, None
            return grids, joined([self._foreground(views[images]) for images in parts])

    def _reference_pool(self, views: Tensor, parts: list[slice], seed: int) -> list[Tensor]:
        """Return, for each global crop, the student's tokens (B, rows, columns, D), no gradient.

        views: (B, G, 3, H, W). The list is empty where references do not come from the student.
        """
        if self.settings.loss.references.source != "student":
            return []
        with torch.no_grad():
            return joined(
                [self._student([views[images]], seed, part) for part, images in enumerate(parts)]
            )

    def momentum(self, step: int) -> float:
        """Return the share of its own weights that the teacher keeps at a step."""
        teacher = self.settings.teacher
        return cosine(step, self.steps, teacher.momentum, teacher.final_momentum)

    def _coloured(
        self, views: Views | Photographs, generator: torch.Generator
    ) -> tuple[list[Tensor], Tensor]:
        """Return views with their colours changed and normalised, and the boxes (B, V, 4).

        The views are in groups of one size, (B, count, 3, H, W), global views first.
        """
        groups, boxes = views_on_device(views, self.settings.crops, self.fabric.device)
        changes = self.settings.photometric
        coloured = [
            photometric(group.flatten(0, 1), changes, generator, self.share).unflatten(
                0, group.shape[:2]
            )
            for group in groups
        ]
        return coloured, boxes

    def _foreground(self, views: Tensor) -> list[Tensor]:
        """Return, for each of the G global crops, its foreground, bool (B, rows, columns).

        views: (B, G, 3, H, W).
        """
        backbone = (self.teacher or self.student).backbone
        attention = backbone.class_attention(views.flatten(0, 1))
        masks = foreground_mask(attention, self.settings.loss.foreground_mass)
        return list(masks.unflatten(0, views.shape[:2]).unbind(dim=1))

    def state_dict(self, next_step: int, seconds: float, starts: int) -> dict[str, Any]:
        """Return everything that a training needs to continue at `next_step`.

        seconds: how long the training took until now. starts: how often it was started.
        """
        return {
            "next_step": next_step,
            "seconds": seconds,
            "starts": starts,
            "student": self.student.state_dict(),
            "teacher": self.teacher.state_dict() if self.teacher else None,
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.fabric.strategy.precision.state_dict(),
            "queue": self.loss.queue.state_dict() if self.loss.queue else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over the state of a checkpoint, as `state_dict` returned it.

        The checkpoint may come from another kind of device. How the optimiser takes its step, and
        where it keeps its counters, stays as it is here.
        """
        self.student.load_state_dict(state["student"])
        groups = state["optimiser"]["param_groups"]
        for own, kept in zip(self.optimiser.param_groups, groups, strict=True):
            kept["fused"] = own["fused"]
        self.optimiser.load_state_dict(state["optimiser"])
        if state.get("scaler"):  # that of float16 gradients
            self.fabric.strategy.precision.load_state_dict(state["scaler"])
        if self.teacher is not None:
            self.teacher.load_state_dict(state["teacher"])
        if self.loss.queue is not None:
            self.loss.queue.load_state_dict(state["queue"])


def parts_of(images: int, count: int) -> list[slice]:
    """Return which of the B images each of `count` equal parts holds."""
    size = images // count
    return [slice(part * size, (part + 1) * size) for part in range(count)]


def joined(parts: list[list[Tensor]]) -> list[Tensor]:
    """Return, for each crop, the tokens (B, rows, columns, D) of all images.

    parts: for each part of the batch, the tokens of its images, crop by crop.
    """
    return parts[0] if len(parts) == 1 else [torch.cat(grids) for grids in zip(*parts, strict=True)]


def total(terms: list[LossTerms]) -> LossTerms:
    """Return the terms of all images, given those of the parts."""
    if len(terms) == 1:
        return terms[0]
    losses, floors, aligned = zip(*terms, strict=True)
    return LossTerms(
        torch.stack(losses).detach().sum(), torch.stack(floors).sum(), torch.cat(aligned)
    )
