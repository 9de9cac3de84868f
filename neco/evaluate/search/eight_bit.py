"""Keys in 8 bits: a bank comes in, keys with a bound on their error come out.

The first pass of the exact search can read them. They take half the memory, and the search finds
the same neighbours. A normalised key x, less the bank's mean m, is stored as s c, with bytes c from
-127 to 127 and one scale s = max |x - m| / 127. Beside it stands what that lost, |x - m - s c|. The
first pass adds the loss to the key's score (half_pass.py), so that no neighbour can be missed.
Candidates are then scored with the bank's own float16 tokens, which may lie in a file.
"""

import torch
from torch import Tensor

from neco.evaluate.search.bank import Bank
from neco.evaluate.search.selection import Keys, in_threads

LEVELS = 127
ROWS = {"cpu": 4096, "cuda": 131_072}
"""How many keys are coded at a time. On a CPU they fit in cache."""


class EightBitKeys(Keys):
    """Keys in 8 bits. On the device, 10.24 million of 384 numbers take 3.9 GB."""

    storage = "int8"
    bytes_per_number = 1
    candidates_per_neighbour = 8

    def __init__(self, bank: Bank, device: torch.device) -> None:
        super().__init__(bank, device, held=False)
        count = len(bank)
        self.codes = torch.empty((count, bank.dim), dtype=torch.int8, device=device)
        self.scales = torch.empty(count, device=device)
        self.errors = torch.empty(count, device=device)

        rows = ROWS[self.device.type]

        def code(start: int) -> None:
            stop = min(start + rows, count)
            keys = self.block(start, stop).sub_(self.mean)
            scales = (keys.abs().amax(dim=1) / LEVELS).clamp_(min=torch.finfo(torch.float32).tiny)
            codes = (keys / scales[:, None]).round_()
            lost = keys.sub_(codes * scales[:, None]).norm(dim=1)
            self.codes[start:stop] = codes.to(torch.int8)
            self.scales[start:stop] = scales
            self.errors[start:stop] = lost

        self.mean.shape  # noqa: B018 (computed here, before threads ask for it)
        in_threads(code, list(range(0, count, rows)), device)

    def centred(self, start: int, stop: int) -> tuple[Tensor, Tensor | float]:
        """Return decoded keys less the mean, float32 (N, dim), and their largest errors (N,)."""
        decoded = self.codes[start:stop].to(torch.float32).mul_(self.scales[start:stop, None])
        return decoded, self.errors[start:stop]
