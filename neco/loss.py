"""The NeCo loss: the order of a patch's nearest references is the same in both views.

For every ordered pair (global crop g of the teacher, other crop v of the student), both aligned
to the region where they meet, each aligned patch is compared with reference patches; a relaxed
sort turns each row of comparisons into a permutation matrix; the cross-entropy of the student's
matrix with the teacher's is the loss. Source: paper, section 3; switches: docs/deviations.md.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from neco.align import align, intersection
from neco.config.training import Loss
from neco.references import ReferenceQueue, draw_references
from neco.share import ALONE, Share
from neco.sorting import SortSettings, sorting_cross_entropy

FULL_CELL = 0.999
"""Share of an aligned cell that must lie in the foreground (background) to count as such."""


class LossTerms(NamedTuple):
    """What one step reports. `excess` = loss - floor is what training can lower."""

    loss: Tensor
    """Scalar with gradient: mean over aligned patches and pairs; with a share, the mean of the
    processes' values is that."""
    floor: Tensor
    """Scalar: the entropy of the targets, the least that `loss` can be."""
    aligned: Tensor
    """(patches, D), the student's aligned features, for the rank that is logged."""


class Targets(NamedTuple):
    """What the student's aligned patches are compared with. Without gradient, the references' own
    apart."""

    aligned: Tensor
    """(pairs, B, S*S, D), the teacher's aligned features"""
    references: Tensor
    """(pairs or 1, B or 1, R, D)"""
    mask: Tensor | None
    """(pairs, B, S*S) bool, which patches enter; None: all"""
    global_crops: int
    """G, how many of the crops the teacher has seen"""
    rows: Tensor | int
    """how many enter of all B images: what sums are divided by, in parts of them as well"""

    def of(self, images: slice) -> "Targets":
        """Return the targets of some of the images."""
        return Targets(
            self.aligned[:, images],
            self.references[:, images] if self.references.shape[1] > 1 else self.references,
            None if self.mask is None else self.mask[:, images],
            self.global_crops,
            self.rows,
        )


class NeCoLoss:
    """The loss of a batch, or of a process's share of one.

    Holds the reference queue when the references come from one.
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
        """Return the loss over all pairs of crops.

        student: projected grids (B, rows, columns, D) of all V crops, global crops first.
        The other arguments are those of `targets`.
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

        teacher: projected grids (B, rows, columns, D) of the G global crops, without gradient.
        student: the same of the student, for references that come from it; else not looked at.
        boxes: (B, V, 4), all crops in image pixels, global crops first.
        foreground: per global crop (B, rows, columns) bool, needed unless patches are `both`.
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
        """Return the loss of some images, a part of the mean over all that `targets` was made for.

        student: projected grids (B, rows, columns, D) of all V crops, global crops first.
        targets, boxes: those of the same B images.
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
        """Return how many aligned patches enter in one process, on average over all."""
        return self.share.summed(mask.sum()).clamp(min=1) / self.share.processes

    def _references(
        self, student: list[Tensor], teacher: list[Tensor], aligned: Tensor,
        generator: torch.Generator,
    ) -> Tensor:  # fmt: skip
        """Return (pairs or 1, B or 1, R, D) from the source that the settings name.

        aligned: (pairs, B, S*S, D), the teacher's.
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
        """Return what is sorted, (pairs * B * S*S, R): distances, or similarities.

        aligned: (pairs, B, S*S, D); references: (pairs or 1, B or 1, R, D).
        """
        against = normalize(references, dim=-1).transpose(2, 3)  # (pairs or 1, B or 1, D, R)
        cosine = (normalize(aligned, dim=-1) @ against).flatten(0, 2)
        if self.settings.order == "similarity":
            return cosine
        return 1 - cosine

    def _selected(self, cover: Tensor) -> Tensor:
        """Return which aligned patches (B, S*S) enter; cover: their foreground share, 0 to 1."""
        if self.settings.patches == "background":
            return cover <= 1 - FULL_CELL
        return cover >= FULL_CELL


def _pairs(global_crops: int, crops: int) -> list[tuple[int, int]]:
    """Return the pairs (g, v) of a global crop and another crop, by their places."""
    return [(g, v) for g in range(global_crops) for v in range(crops) if g != v]


@torch.no_grad()
def effective_rank(features: Tensor) -> float:
    """Return exp of the entropy of the covariance's spectrum: 1 for collapsed features.

    features: (N, D). The number falls towards 1 when training collapses, which the loss hides.
    """
    centred = features.float() - features.float().mean(dim=0)
    spectrum = torch.linalg.svdvals(centred) ** 2
    share = spectrum / spectrum.sum().clamp(min=1e-20)
    return float(torch.exp(-(share * share.clamp(min=1e-20).log()).sum()))
