"""A process's share of a batch, where several processes train together.

The images of a batch are cut into as many equal pieces as there are processes, and process r holds
the r-th piece. Random numbers are drawn for the whole batch in every process, which takes those of
its images. So a batch is the same, however many processes share it. A process's loss is scaled so
that its mean over processes is the loss of the whole batch, because distributed training averages
gradients.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
import torch.distributed
from torch import Tensor


class Share(NamedTuple):
    """Process `rank` of `processes`."""

    rank: int = 0
    processes: int = 1

    def of(self, whole: Tensor) -> Tensor:
        """Return this process's rows of `whole` (N, ...), which was made for the whole batch."""
        return whole if self.processes == 1 else whole.tensor_split(self.processes)[self.rank]

    def gathered(self, rows: Tensor) -> Tensor:
        """Return the rows of all processes in the order of the batch, without gradient.

        rows: (N, ...), equally many in every process. Returns (processes * N, ...).
        """
        if self.processes == 1:
            return rows
        rows = rows.detach().contiguous()
        parts = [torch.empty_like(rows) for _ in range(self.processes)]
        torch.distributed.all_gather(parts, rows)
        return torch.cat(parts)

    def same(self, tensors: Iterable[Tensor]) -> None:
        """Give every process the values that the first one has in these tensors, in place."""
        if self.processes > 1:
            for tensor in tensors:
                torch.distributed.broadcast(tensor.detach(), 0)

    def summed(self, values: Tensor) -> Tensor:
        """Return the sum over processes; gradient passes to every process's values."""
        return values if self.processes == 1 else _Sum.apply(values)


ALONE = Share()
"""The share of one process that has the whole batch."""


class _Sum(torch.autograd.Function):
    """The sum over processes.

    Every process computes with the sum, so the gradient of a summand is the sum of all gradients.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone(memory_format=torch.contiguous_format)
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _Sum.forward(ctx, gradient)
