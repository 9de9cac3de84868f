"""The reference patches that every aligned patch is compared with.

Source: paper, section 3 (a random fraction of the batch's patches, through the student) and
Table 5c (intra, inter); reference implementation (49 per image from the teacher's aligned
patches, or from a queue).
"""

import torch
from torch import Tensor

from neco.config.training import References
from neco.errors import UserError
from neco.share import ALONE, Share
from neco.views.transfer import to_device


def draw_references(
    pool: Tensor, settings: References, generator: torch.Generator, share: Share = ALONE
) -> Tensor:
    """Return references drawn without replacement from a pool of patches.

    pool: (B, P, D), P patches of each of B images. Returns (B, R, D), or (1, R, D) when one draw
    serves all images. With a share, pool and result are of this process's images, and what is drawn
    from is the pool of all processes; `generator` is then in the same state in all of them.
    Raises UserError when the pool is too small for R.
    """
    batch, patches, dim = pool.shape
    chosen = to_device(_choose(batch * share.processes, patches, settings, generator), pool.device)
    rows = pool.reshape(batch * patches, dim)
    if share.processes == 1:
        return rows[chosen]
    # Every process fills in the references that are its own, and the sum has them all.
    own = chosen - share.rank * len(rows)
    held = (own >= 0) & (own < len(rows))
    drawn = share.summed(rows[own.clamp(0, len(rows) - 1)] * held.unsqueeze(-1))
    return drawn if len(drawn) == 1 and settings.shared else share.of(drawn)


def _choose(batch: int, patches: int, settings: References, generator: torch.Generator) -> Tensor:
    """Return which patches are references, as image * patches + patch: (B, R), or (1, R)."""
    if settings.scope == "batch":
        rows = 1 if settings.shared else batch
        return _draw(rows, batch * patches, settings, generator)
    own = torch.arange(batch).unsqueeze(1)
    if settings.scope == "intra":
        return own * patches + _draw(batch, patches, settings, generator)
    chosen = _draw(batch, (batch - 1) * patches, settings, generator)
    return chosen + (chosen // patches >= own) * patches  # leap over the own image


def _draw(rows: int, choices: int, settings: References, generator: torch.Generator) -> Tensor:
    """Return (rows, count) distinct numbers below `choices` in every row."""
    if settings.count > choices:
        raise UserError(
            f"loss.references.count {settings.count} (scope {settings.scope}) needs at least that "
            f"many patches to draw from, there are {choices}; lower it or raise train.batch_size"
        )
    return torch.rand(rows, choices, generator=generator).topk(settings.count, dim=1).indices


class ReferenceQueue:
    """The last teacher features, first in first out. Saved and loaded with a checkpoint.

    With a share, every process holds the features of all.
    """

    def __init__(
        self, settings: References, dim: int, device: torch.device, share: Share = ALONE
    ) -> None:
        self.settings, self.share = settings, share
        self.features = torch.zeros(settings.queue_length, dim, device=device)
        self.filled = 0

    def push(self, pool: Tensor, generator: torch.Generator) -> None:
        """Add `queue_per_image` random patches of every image; pool (B, P, D)."""
        batch, patches, dim = pool.shape
        count = min(self.settings.queue_per_image, patches)
        drawn = torch.rand(batch * self.share.processes, patches, generator=generator)
        chosen = self.share.of(drawn.topk(count, dim=1).indices)
        chosen = to_device(chosen, pool.device)
        added = pool.gather(1, chosen.unsqueeze(-1).expand(-1, -1, dim))
        added = self.share.gathered(added).reshape(-1, dim)
        added = added[: len(self.features)].detach().float()
        self.features = torch.cat([added, self.features[: len(self.features) - len(added)]])
        self.filled = min(self.filled + len(added), len(self.features))

    def ready(self) -> bool:
        """Return whether there are enough features for one draw."""
        return self.filled >= self.settings.count

    def draw(self, batch: int, generator: torch.Generator) -> Tensor:
        """Return references (B, R, D), or (1, R, D) when shared."""
        rows = 1 if self.settings.shared else batch * self.share.processes
        chosen = _draw(rows, self.filled, self.settings, generator)
        chosen = chosen if self.settings.shared else self.share.of(chosen)
        return self.features[to_device(chosen, self.features.device)]

    def state_dict(self) -> dict[str, Tensor | int]:
        """Return what a checkpoint holds of the queue."""
        return {"features": self.features, "filled": self.filled}

    def load_state_dict(self, state: dict[str, Tensor | int]) -> None:
        """Restore the queue of a checkpoint."""
        features, filled = state["features"], state["filled"]
        assert isinstance(features, Tensor)  # noqa: S101 (for mypy)
        self.features = features.to(self.features.device)
        self.filled = int(filled)
