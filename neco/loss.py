"""The NeCo loss: two views of a place should order the same reference patches alike.

In come the projected patch tokens of all crops, from the student and from the teacher, and the
crops' boxes. Out come the loss and what is logged beside it. Every global crop g of the teacher is
paired with every other crop v of the student. For a pair:

1. Both crops' tokens are aligned to the region of the image where the crops overlap.
2. Each aligned patch is compared with R reference patches, which gives a row of R numbers.
3. A relaxed sort turns the row into a permutation matrix.
4. The loss is the cross-entropy of the student's matrix with the teacher's.

Source: paper, section 3. docs/deviations.md lists the settings that change the loss, and
neco/__init__.py says what the letters of shapes mean.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from neco.align import align, intersection
from neco.config.loss import Loss
from neco.references import ReferenceQueue, draw_references
from neco.share import ALONE, Share
from neco.sorting import SortSettings, sorting_cross_entropy

FULL_CELL = 0.999
"""Least share of an aligned patch that has to be foreground for the patch to count as foreground.
The same share decides for the background. It is not 1, because RoIAlign interpolates."""


class LossTerms(NamedTuple):
    """The loss of a step and what is logged beside it. Training can only lower `loss - floor`."""

    loss: Tensor
    """Scalar with gradient: the mean over images, pairs and aligned patches. Where several
    processes share the batch, the mean of their values is the mean over the whole batch."""
    floor: Tensor
    """Scalar: the entropy of the targets, which the loss cannot go below."""
    aligned: Tensor
    """(B * S*S, D): the student's aligned patches of the first pair, whose rank is logged."""


class Targets(NamedTuple):
    """All that the student's crops are compared with.

    It has no gradient, unless references come from the student and `loss.references.gradient` is
    true.
    """

    aligned: Tensor
    """(pairs, B, S*S, D): the teacher's aligned patches."""
    references: Tensor
    """(pairs or 1, B or 1, R, D): 1 in the place of what shares its references."""
    mask: Tensor | None
    """(pairs, B, S*S) bool: which aligned patches enter the loss. None means that all enter."""
    global_crops: int
    """G: how many crops the teacher was given. They come first among the student's crops."""
    rows: Tensor | int
    """How many aligned patches of all B images enter the loss. Every sum is divided by this number.
    So where images are taken in parts, the losses of the parts add up to the mean."""

    def of(self, images: slice) -> "Targets":
        """Return the targets of some of the B images; `rows` stays that of all of them."""
        return Targets(
            self.aligned[:, images],
            self.references[:, images] if self.references.shape[1] > 1 else self.references,
            None if self.mask is None else self.mask[:, images],
            self.global_crops,
            self.rows,
        )


class NeCoLoss:
    """The loss of a batch, or of a process's share of one.

    settings: `train.loss`. dim: D. device: where a queue of references lies. share: this process's
    share of the batch. global_crops: G. It holds the queue, where references come from one.
    """

    def __init__(
        self, settings: Loss, dim: int, device: torch.device, share: Share = ALONE,
        global_crops: int = 2,
    ) -> None:  # fmt: skip
        self.settings, self.share = settings, share
        self.drawn_from = share if settings.references.gather else ALONE
        self.sort = SortSettings(two_way=settings.two_way, **settings.sorting.model_dump())
        self.queue: ReferenceQueue | None = None
        if settings.references.source == "queue":
            self.queue = ReferenceQueue(
                settings.references, global_crops, dim, device, self.drawn_from
            )

    def __call__(
        self,
        student: list[Tensor],
        teacher: list[Tensor],
        boxes: Tensor,
        generator: torch.Generator,
        foreground: list[Tensor] | None = None,
    ) -> LossTerms:
        """Return the loss over all pairs of crops, by one call of `targets` and one of `compare`.

        student: for each of the V crops, global crops first, its projected tokens
        (B, rows, columns, D). The other arguments are those of `targets`.
        """
        targets = self.targets(teacher, student[: len(teacher)], boxes, generator, foreground)
        return self.compare(student, targets, boxes)

    def targets(
        self,
        teacher: list[Tensor],
        student: list[Tensor],
        boxes: Tensor,
        generator: torch.Generator,
        foreground: list[Tensor] | None = None,
    ) -> Targets:
        """Return what the student's crops are compared with, for a batch or a process's share.

        teacher: for each of the G global crops, its projected tokens (B, rows, columns, D), without
        gradient.
        student: the same from the student. Only references that come from the student need it.
        boxes: (B, V, 4), the crops' boxes in pixels of the image, global crops first.
        generator: draws the references; on the CPU.
        foreground: for each global crop, which patches are foreground, bool (B, rows, columns). It
        is needed unless `loss.patches` is `both`.
        Raises UserError when there are fewer patches to draw references from than R.
        """
        size = self.settings.aligned_size
        aligned, masks = [], []
        for g, v in _pairs(len(teacher), boxes.shape[1]):
            region = intersection(boxes[:, g], boxes[:, v])  # (B, 4)
            aligned.append(align(teacher[g], region, boxes[:, g], size))  # (B, S*S, D)
            if foreground is not None:
                cover = align(foreground[g].float().unsqueeze(-1), region, boxes[:, g], size)
                masks.append(self._selected(cover.squeeze(-1)))  # (B, S*S)
        together = torch.stack(aligned)
        references = self._references(student, teacher, together, generator)
        mask = torch.stack(masks) if masks else None
        rows = together.shape[:3].numel() if mask is None else self._rows(mask)
        return Targets(together, references, mask, len(teacher), rows)

    def compare(self, student: list[Tensor], targets: Targets, boxes: Tensor) -> LossTerms:
        """Return the loss of some images, which is their part of the mean over all images.

        student: for each of the V crops, global crops first, its projected tokens
        (B, rows, columns, D).
        targets: those of the same B images (see `Targets.of`). boxes: (B, V, 4), theirs too.
        """
        size = self.settings.aligned_size
        aligned = []
        for g, v in _pairs(targets.global_crops, len(student)):
            region = intersection(boxes[:, g], boxes[:, v])
            aligned.append(align(student[v], region, boxes[:, v], size))  # (B, S*S, D)
        loss = sorting_cross_entropy(
            self._comparisons(torch.stack(aligned), targets.references),
            self._comparisons(targets.aligned, targets.references),
            self.sort,
            row_mask=None if targets.mask is None else targets.mask.flatten(),
            top_k=self.settings.nearest,
        )
        return LossTerms(
            loss.loss.sum() / targets.rows,
            loss.floor.sum() / targets.rows,
            aligned[0].flatten(0, 1),
        )

    def _rows(self, mask: Tensor) -> Tensor:
        """Return how many aligned patches enter the loss, on average over the processes.

        mask: (pairs, B, S*S), that of this process.
        """
        return self.share.summed(mask.sum()).clamp(min=1) / self.share.processes

    def _references(
        self, student: list[Tensor], teacher: list[Tensor], aligned: Tensor,
        generator: torch.Generator,
    ) -> Tensor:  # fmt: skip
        """Return references (pairs or 1, B or 1, R, D) from the source that the settings name.

        student, teacher: tokens as in `targets`.
        aligned: (pairs, B, S*S, D), the teacher's aligned patches.
        """
        settings = self.settings.references
        pairs, batch = aligned.shape[:2]
        if settings.source == "student":
            pool = torch.cat([grid.flatten(1, 2) for grid in student], dim=1).float()
            pool = pool if settings.gradient else pool.detach()
            pools = pool.expand(pairs if settings.per_pair else 1, -1, -1, -1)
            return draw_references(pools, settings, generator, self.drawn_from)
        if self.queue is not None:
            self.queue.push(teacher, generator)
            if self.queue.ready():
                crops = [g for g in range(len(teacher)) for _ in range(pairs // len(teacher))]
                asked = crops if settings.per_pair else crops[:1]
                return self.queue.draw(asked, batch, generator)
        pools = aligned.detach()
        if not settings.per_pair:
            pools = pools.transpose(0, 1).flatten(1, 2).unsqueeze(0)  # (1, B, pairs * S*S, D)
        return draw_references(pools, settings, generator, self.drawn_from)

    def _comparisons(self, aligned: Tensor, references: Tensor) -> Tensor:
        """Return the rows that are sorted, (pairs * B * S*S, R): distances, or similarities.

        aligned: (pairs, B, S*S, D); references: (pairs or 1, B or 1, R, D).
        """
        against = normalize(references, dim=-1).transpose(2, 3)  # (pairs or 1, B or 1, D, R)
        cosine = (normalize(aligned, dim=-1) @ against).flatten(0, 2)
        if self.settings.order == "similarity":
            return cosine
        return 1 - cosine

    def _selected(self, cover: Tensor) -> Tensor:
        """Return which aligned patches enter the loss, bool (B, S*S).

        cover: (B, S*S), the share of each aligned patch that is foreground, 0 to 1.
        """
        if self.settings.patches == "background":
            return cover <= 1 - FULL_CELL
        return cover >= FULL_CELL


def _pairs(global_crops: int, crops: int) -> list[tuple[int, int]]:
    """Return the pairs (g, v) of a global crop and another crop, by their places among crops."""
    return [(g, v) for g in range(global_crops) for v in range(crops) if g != v]


@torch.no_grad()
def effective_rank(tokens: Tensor) -> float:
    """Return the effective rank of tokens (N, D), from 1 to D.

    It is the exponential of the entropy of the covariance's spectrum. It falls towards 1 when
    tokens collapse to one direction, which the loss does not show.
    """
    centred = tokens.float() - tokens.float().mean(dim=0)
    # Singular values are the same and take several times as long, on a GPU above all.
    spectrum = torch.linalg.eigvalsh(centred.T @ centred).clamp(min=0)
    share = spectrum / spectrum.sum().clamp(min=1e-20)
    return float(torch.exp(-(share * share.clamp(min=1e-20).log()).sum()))
