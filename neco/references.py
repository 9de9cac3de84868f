"""The reference patches that every aligned patch is compared with.

In come pools of patches, or the teacher's tokens for a queue; out come R references for each image,
drawn at random. Sources: in the released code, 49 references for every pair of crops and image,
from the teacher's aligned patches of that pair or from a queue of the teacher's tokens. In the
paper, section 3, a random fraction of the batch's patches, through the student, and in its Table 5c
the scopes `intra` and `inter`.
"""

import torch
from torch import Tensor

from neco.config.loss import References
from neco.errors import UserError
from neco.share import ALONE, Share
from neco.views.transfer import to_device


def draw_references(
    pools: Tensor, settings: References, generator: torch.Generator, share: Share = ALONE
) -> Tensor:
    """Return references drawn without replacement, one draw from each pool of patches.

    pools: (pairs or 1, B, P, D), in each pool P patches of each of B images.
    generator: on the CPU. Where several processes share the batch, it has to be in the same state
    in all of them.
    share: where several processes share the batch, pools and result are those of this process's
    images, but references are drawn from the patches of all processes.
    Returns (pairs or 1, B, R, D), or (pairs or 1, 1, R, D) where one draw serves all images.
    Raises UserError when a pool holds fewer patches than R.
    """
    count, batch, patches, _ = pools.shape
    images = batch * share.processes
    chosen = torch.stack([_choose(images, patches, settings, generator) for _ in range(count)])
    drawn = _taken(pools.flatten(1, 2), chosen, share)
    return drawn if settings.shared else share.of(drawn.transpose(0, 1)).transpose(0, 1)


def _taken(rows: Tensor, chosen: Tensor, share: Share) -> Tensor:
    """Return the rows of all processes that `chosen` names, the same in every process.

    rows: (pools, N, D), those of this process. chosen: (pools, ...), numbers that count through the
    rows of the first process, then those of the second, and so on. Returns (pools, ..., D).
    """
    chosen = to_device(chosen, rows.device)
    pool = torch.arange(len(rows), device=rows.device).view(-1, *[1] * (chosen.ndim - 1))
    if share.processes == 1:
        return rows[pool, chosen]
    # Every process fills in the references that it holds and zeros for the others: the sum over
    # processes has all of them.
    own = chosen - share.rank * rows.shape[1]
    held = (own >= 0) & (own < rows.shape[1])
    return share.summed(rows[pool, own.clamp(0, rows.shape[1] - 1)] * held.unsqueeze(-1))


def _choose(images: int, patches: int, settings: References, generator: torch.Generator) -> Tensor:
    """Return which patches are references, (B, R) or (1, R), as image * P + patch.

    images: B of all processes together. patches: P.
    """
    if settings.scope == "batch":
        rows = 1 if settings.shared else images
        return dealt(rows, images * patches, settings, generator)
    own = torch.arange(images).unsqueeze(1)
    choices = choices_of(images, patches, settings)
    refuse_too_few(choices, settings)
    if settings.scope == "intra":
        return own * patches + distinct(images, patches, settings.count, generator)
    chosen = distinct(images, choices, settings.count, generator)
    return chosen + (chosen // patches >= own) * patches  # leave out the image itself


def choices_of(images: int, patches: int, settings: References) -> int:
    """Return how many patches one draw chooses from, of P `patches` in each of B `images`."""
    return {"batch": images, "inter": images - 1, "intra": 1}[settings.scope] * patches


def dealt(rows: int, choices: int, settings: References, generator: torch.Generator) -> Tensor:
    """Return (rows, R) numbers below `choices`, dealt out like cards.

    No row has a number twice. A number is dealt again only after all others, except for the few
    that were left of a deck because they did not fill a row.
    """
    refuse_too_few(choices, settings)
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

    Equal numbers are drawn again. So the cost of a draw grows with `count`, not with `choices`.
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


def refuse_too_few(choices: int, settings: References) -> None:
    """Raise UserError where a draw has fewer patches to choose from than it takes."""
    if settings.count > choices:
        raise UserError(
            f"loss.references.count {settings.count} (scope {settings.scope}) needs at least as "
            f"many patches to draw from, and there are {choices}; lower it, or raise "
            "train.batch_size"
        )


class ReferenceQueue:
    """The teacher's last tokens, one first-in-first-out queue for each global crop.

    Where several processes share the batch, every process holds the tokens of all of them. A
    checkpoint saves and restores the queues.
    """

    def __init__(
        self, settings: References, crops: int, dim: int, device: torch.device,
        share: Share = ALONE,
    ) -> None:  # fmt: skip
        self.settings, self.share = settings, share
        self.tokens = torch.zeros(crops, settings.queue_length, dim, device=device)
        self.filled = 0

    def push(self, grids: list[Tensor], generator: torch.Generator) -> None:
        """Add random tokens of the batch to each queue, `queue_per_image` for each image.

        grids: for every global crop, the teacher's projected tokens (B, rows, columns, D).
        """
        length = self.settings.queue_length
        tokens = torch.stack([grid.flatten(0, 2) for grid in grids]).detach()  # (G, B * P, D)
        images, choices = (n * self.share.processes for n in (len(grids[0]), tokens.shape[1]))
        added = min(self.settings.queue_per_image * images, choices, length)
        drawn = [shuffled(choices, added, generator) for _ in grids]
        taken = _taken(tokens, torch.stack(drawn), self.share).float()
        self.tokens = torch.cat([taken, self.tokens[:, : length - added]], dim=1)
        self.filled = min(self.filled + added, length)

    def ready(self) -> bool:
        """Return whether each queue holds enough tokens for one draw of R."""
        return self.filled >= self.settings.count

    def draw(self, crops: list[int], images: int, generator: torch.Generator) -> Tensor:
        """Return references (pairs, B, R, D), drawn once for each pair.

        crops: the global crop g of each pair. images: B. Where all images share their references,
        the result is (pairs, 1, R, D).
        """
        rows = 1 if self.settings.shared else images * self.share.processes
        chosen = torch.stack([dealt(rows, self.filled, self.settings, generator) for _ in crops])
        if not self.settings.shared:
            chosen = self.share.of(chosen.transpose(0, 1)).transpose(0, 1)
        of_crop = torch.tensor(crops)[:, None, None]
        device = self.tokens.device
        return self.tokens[to_device(of_crop, device), to_device(chosen, device)]

    def state_dict(self) -> dict[str, Tensor | int]:
        """Return what a checkpoint holds of the queue."""
        return {"features": self.tokens, "filled": self.filled}

    def load_state_dict(self, state: dict[str, Tensor | int]) -> None:
        """Restore the queue of a checkpoint."""
        tokens, filled = state["features"], state["filled"]
        assert isinstance(tokens, Tensor)  # noqa: S101 (for mypy)
        self.tokens = tokens.to(self.tokens.device)
        self.filled = int(filled)
