"""A process's share of a batch, where several train together.

Process r of n holds the r-th of n equal runs of a batch's images. What is random is drawn for the
whole batch in every process, which then takes its share: the batch is the same however many share
it. A loss is scaled so that the mean over processes, which distributed training takes of
gradients, is the batch's.
"""

from typing import Any, NamedTuple

import torch
import torch.distributed
from torch import Tensor


class Share(NamedTuple):
    """Process `rank` of `processes`."""

    rank: int = 0
    processes: int = 1

    def of(self, whole: Tensor) -> Tensor:
        """Return this process's rows of what was made for the whole batch (B * any, ...)."""
        return whole if self.processes == 1 else whole.tensor_split(self.processes)[self.rank]

    def gathered(self, rows: Tensor) -> Tensor:
        """Return the rows of all processes in the batch's order, without gradient.

        rows: (b, ...), as many in every process. Returns (processes * b, ...).
        """
        if self.processes == 1:
            return rows
        rows = rows.detach().contiguous()
        parts = [torch.empty_like(rows) for _ in range(self.processes)]
        torch.distributed.all_gather(parts, rows)
        return torch.cat(parts)

    def summed(self, values: Tensor) -> Tensor:
        """Return the sum over processes; gradient passes to every process's values."""
        return values if self.processes == 1 else _Sum.apply(values)


ALONE = Share()
"""One process with the whole batch."""


class _Sum(torch.autograd.Function):
    """The sum over processes. What each makes of it counts: gradients are summed as well."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone(memory_format=torch.contiguous_format)
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _Sum.forward(ctx, gradient)
