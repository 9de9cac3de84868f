"""The reference patches that every aligned patch is compared with.

Source: paper, section 3 (a random fraction of the batch's patches, through the student) and
Table 5c (intra, inter); reference implementation (49 per image from the teacher's aligned
patches, or from a queue).
"""

import torch
from torch import Tensor

from neco.config.training import References
from neco.errors import UserError


def draw_references(pool: Tensor, settings: References, generator: torch.Generator) -> Tensor:
    """Return references drawn without replacement from a pool of patches.

    pool: (B, P, D), P patches of each of B images. Returns (B, R, D), or (1, R, D) when one draw
    serves all images. Raises UserError when the pool is too small for R.
    """
    batch, patches, dim = pool.shape
    if settings.scope == "batch" and settings.shared:
        chosen = _draw(1, batch * patches, settings, generator)
        return pool.reshape(batch * patches, dim)[chosen.to(pool.device)]
    if settings.scope == "intra":
        chosen = _draw(batch, patches, settings, generator)  # (B, R) within each image
        image = torch.arange(batch).unsqueeze(1)
    elif settings.scope == "inter":
        chosen = _draw(batch, (batch - 1) * patches, settings, generator)
        skip = chosen // patches >= torch.arange(batch).unsqueeze(1)  # leap over the own image
        chosen = chosen + skip * patches
        image = torch.zeros_like(chosen)
    else:
        chosen = _draw(batch, batch * patches, settings, generator)
        image = torch.zeros_like(chosen)
    flat = (image * patches + chosen).to(pool.device)
    return pool.reshape(batch * patches, dim)[flat]


def _draw(rows: int, choices: int, settings: References, generator: torch.Generator) -> Tensor:
    """Return (rows, count) distinct numbers below `choices` in every row."""
    if settings.count > choices:
        raise UserError(
            f"loss.references.count {settings.count} (scope {settings.scope}) needs at least that "
            f"many patches to draw from, there are {choices}; lower it or raise train.batch_size"
        )
    return torch.rand(rows, choices, generator=generator).topk(settings.count, dim=1).indices


class ReferenceQueue:
    """The last teacher features, first in first out. Saved and loaded with a checkpoint."""

    def __init__(self, settings: References, dim: int, device: torch.device) -> None:
        self.settings = settings
        self.features = torch.zeros(settings.queue_length, dim, device=device)
        self.filled = 0

    def push(self, pool: Tensor, generator: torch.Generator) -> None:
        """Add `queue_per_image` random patches of every image; pool (B, P, D)."""
        batch, patches, dim = pool.shape
        count = min(self.settings.queue_per_image, patches)
        chosen = torch.rand(batch, patches, generator=generator).topk(count, dim=1).indices
        added = pool.gather(1, chosen.to(pool.device).unsqueeze(-1).expand(-1, -1, dim))
        added = added.reshape(-1, dim)[: len(self.features)].detach().float()
        self.features = torch.cat([added, self.features[: len(self.features) - len(added)]])
        self.filled = min(self.filled + len(added), len(self.features))

    def ready(self) -> bool:
        """Return whether there are enough features for one draw."""
        return self.filled >= self.settings.count

    def draw(self, batch: int, generator: torch.Generator) -> Tensor:
        """Return references (B, R, D), or (1, R, D) when shared."""
        rows = 1 if self.settings.shared else batch
        chosen = _draw(rows, self.filled, self.settings, generator)
        return self.features[chosen.to(self.features.device)]

    def state_dict(self) -> dict[str, Tensor | int]:
        """Return what a checkpoint holds of the queue."""
        return {"features": self.features, "filled": self.filled}

    def load_state_dict(self, state: dict[str, Tensor | int]) -> None:
        """Restore the queue of a checkpoint."""
        features, filled = state["features"], state["filled"]
        assert isinstance(features, Tensor)
        self.features = features.to(self.features.device)
        self.filled = int(filled)
