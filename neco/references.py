"""The reference patches that every aligned patch is compared with.

Source: released code (49 a pair of crops and image, from the teacher's aligned patches of that
pair, or from a queue of its tokens); paper, section 3 (a random fraction of the batch's patches,
through the student) and Table 5c (intra, inter).
"""

import torch
from torch import Tensor

from neco.config.training import References
from neco.errors import UserError
from neco.share import ALONE, Share
from neco.views.transfer import to_device


def draw_references(
    pools: Tensor, settings: References, generator: torch.Generator, share: Share = ALONE
) -> Tensor:
    """Return references drawn without replacement, one draw from each of K pools of patches.

    pools: (K, B, P, D), P patches of each of B images. Returns (K, B, R, D), or (K, 1, R, D) when
    one draw serves all images. With a share, pools and result are of this process's images, and
    what is drawn from are the patches of all processes; `generator` is then in the same state in
    all of them. Raises UserError when a pool is too small for R.
    """
    count, batch, patches, _ = pools.shape
    images = batch * share.processes
    chosen = torch.stack([_choose(images, patches, settings, generator) for _ in range(count)])
    drawn = _taken(pools.flatten(1, 2), chosen, share)
    return drawn if settings.shared else share.of(drawn.transpose(0, 1)).transpose(0, 1)


def _taken(rows: Tensor, chosen: Tensor, share: Share) -> Tensor:
    """Return rows (K, n, D) at `chosen` (K, ...), which counts through the rows of all processes.

    Returns (K, ..., D), the same in every process.
    """
    chosen = to_device(chosen, rows.device)
    pool = torch.arange(len(rows), device=rows.device).view(-1, *[1] * (chosen.ndim - 1))
    if share.processes == 1:
        return rows[pool, chosen]
    # Every process fills in the references that are its own, and the sum has them all.
    own = chosen - share.rank * rows.shape[1]
    held = (own >= 0) & (own < rows.shape[1])
    return share.summed(rows[pool, own.clamp(0, rows.shape[1] - 1)] * held.unsqueeze(-1))


def _choose(images: int, patches: int, settings: References, generator: torch.Generator) -> Tensor:
    """Return which patches are references, as image * patches + patch: (B, R), or (1, R)."""
    if settings.scope == "batch":
        rows = 1 if settings.shared else images
        return dealt(rows, images * patches, settings, generator)
    own = torch.arange(images).unsqueeze(1)
    if settings.scope == "intra":
        _refuse_too_few(patches, settings)
        return own * patches + distinct(images, patches, settings.count, generator)
    _refuse_too_few((images - 1) * patches, settings)
    chosen = distinct(images, (images - 1) * patches, settings.count, generator)
    return chosen + (chosen // patches >= own) * patches  # leap over the own image


def dealt(rows: int, choices: int, settings: References, generator: torch.Generator) -> Tensor:
    """Return (rows, R) numbers below `choices`, dealt out like cards.

    No number serves twice in a row of the result, nor in two rows before all others were dealt.
    """
    _refuse_too_few(choices, settings)
    hands = choices // settings.count
    decks = [
        torch.randperm(choices, generator=generator)[: hands * settings.count]
        for _ in range(-(-rows // hands))
    ]
    return torch.cat(decks).view(-1, settings.count)[:rows]


def shuffled(choices: int, count: int, generator: torch.Generator) -> Tensor:
    """Return (count,) distinct numbers below `choices`, in random order."""
    if choices <= 8 * count:
        return torch.randperm(choices, generator=generator)[:count]
    return distinct(1, choices, count, generator)[0][torch.randperm(count, generator=generator)]


def distinct(rows: int, choices: int, count: int, generator: torch.Generator) -> Tensor:
    """Return (rows, count) numbers below `choices`; every row is a draw without replacement.

    What a draw costs grows with `count`, not with `choices`: equal numbers are drawn again.
    """
    if choices <= 8 * count:
        return torch.rand(rows, choices, generator=generator).topk(count, dim=1).indices
    drawn = torch.randint(choices, (rows, count), generator=generator)
    while True:
        drawn = drawn.sort(dim=1).values
        again = torch.zeros_like(drawn, dtype=torch.bool)
        again[:, 1:] = drawn[:, 1:] == drawn[:, :-1]
        missing = int(again.sum())
        if not missing:
            return drawn
        drawn[again] = torch.randint(choices, (missing,), generator=generator)


def _refuse_too_few(choices: int, settings: References) -> None:
    if settings.count > choices:
        raise UserError(
            f"loss.references.count {settings.count} (scope {settings.scope}) needs at least that "
            f"many patches to draw from, there are {choices}; lower it or raise train.batch_size"
        )


class ReferenceQueue:
    """The teacher's last tokens, first in first out, one queue for each global crop.

    Saved and loaded with a checkpoint. With a share, every process holds the tokens of all.
    """

    def __init__(
        self, settings: References, crops: int, dim: int, device: torch.device,
        share: Share = ALONE,
    ) -> None:  # fmt: skip
        self.settings, self.share = settings, share
        self.features = torch.zeros(crops, settings.queue_length, dim, device=device)
        self.filled = 0

    def push(self, grids: list[Tensor], generator: torch.Generator) -> None:
        """Add random tokens of the batch, `queue_per_image` for each of its images.

        grids: (B, rows, columns, D) for every global crop, as the teacher's head returns them.
        """
        length = self.settings.queue_length
        tokens = torch.stack([grid.flatten(0, 2) for grid in grids]).detach()  # (G, B * P, D)
        images, choices = (n * self.share.processes for n in (len(grids[0]), tokens.shape[1]))
        added = min(self.settings.queue_per_image * images, choices, length)
        drawn = [shuffled(choices, added, generator) for _ in grids]
        taken = _taken(tokens, torch.stack(drawn), self.share).float()
        self.features = torch.cat([taken, self.features[:, : length - added]], dim=1)
        self.filled = min(self.filled + added, length)

    def ready(self) -> bool:
        """Return whether there are enough tokens for one draw."""
        return self.filled >= self.settings.count

    def draw(self, crops: list[int], images: int, generator: torch.Generator) -> Tensor:
        """Return references for pairs of the global crops `crops`, one draw each: (K, B, R, D).

        images: B of this process. Returns (K, 1, R, D) when shared.
        """
        rows = 1 if self.settings.shared else images * self.share.processes
        chosen = torch.stack([dealt(rows, self.filled, self.settings, generator) for _ in crops])
        if not self.settings.shared:
            chosen = self.share.of(chosen.transpose(0, 1)).transpose(0, 1)
        device = self.features.device
        return self.features[
            torch.tensor(crops, device=device)[:, None, None], to_device(chosen, device)
        ]

    def state_dict(self) -> dict[str, Tensor | int]:
        """Return what a checkpoint holds of the queue."""
        return {"features": self.features, "filled": self.filled}

    def load_state_dict(self, state: dict[str, Tensor | int]) -> None:
        """Restore the queue of a checkpoint."""
        features, filled = state["features"], state["filled"]
        assert isinstance(features, Tensor)  # noqa: S101 (for mypy)
        self.features = features.to(self.features.device)
        self.filled = int(filled)
