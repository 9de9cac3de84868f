"""A graphics card that is not there: tensors on it have shapes and types but no contents.

What runs on the CPU is computed as always; what touches the card runs in PyTorch's fake mode, so
that a wrong device, type or shape raises as it would on a card. Triton's kernels are recorded.
PyTorch's autograd engine asks the driver for streams: `backward` walks the graph instead.

Use it in a process of its own: PyTorch's guard of the current device stays replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from lightning_fabric.strategies import SingleDeviceStrategy
from torch import Tensor
from torch._subclasses import fake_tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map_only

from benchmarks.gpu.launches import Launch, recorded
from neco.sorting import implementations
from neco.sorting.row_loss import RowLoss

CARD = torch.device("cuda", 0)
ANSWERS: dict[str, Callable[..., Any]] = {
    "_lazy_init": lambda: None,
    "is_available": lambda: True,
    "is_bf16_supported": lambda *_, **__: True,
    "device_count": lambda: 1,
    "current_device": lambda: 0,
    "set_device": lambda _: None,
    "_exchange_device": lambda _: 0,
    "_maybe_exchange_device": lambda _: 0,
    "is_current_stream_capturing": lambda: False,
    "get_device_name": lambda *_: "pretended",
    "get_device_capability": lambda *_: (9, 0),
    "empty_cache": lambda: None,
    "manual_seed": lambda _: None,
    "manual_seed_all": lambda _: None,
}
"""What torch.cuda says"""
aten = torch.ops.aten
ALIKE = {aten.mm, aten.addmm, aten.mv, aten.addmv, aten.dot, aten.index_put_, aten.index_put}
"""Operations that take floating-point tensors of one type only, which fake mode does not check"""


class Card(TorchDispatchMode):
    """Runs operations with a tensor of the card, or that make one, without contents."""

    strict = False
    """Whether what makes the host wait for the card raises. What is made once is made before."""

    def __init__(self) -> None:
        super().__init__()
        self.fake = FakeTensorMode(allow_non_fake_inputs=True)

    @classmethod
    def is_infra_mode(cls) -> bool:
        """Return that torch.compile need not step aside for this mode."""
        return True

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        flat, _ = tree_flatten((args, kwargs))
        asked = any(torch.device(v).type == "cuda" for v in flat if isinstance(v, torch.device))
        if not asked and not any(isinstance(value, FakeTensor) for value in flat):
            return operation(*args, **kwargs)
        self._look_at_copies(operation.overloadpacket, args, kwargs)
        args, kwargs = tree_map_only(Tensor, self._without_contents, (args, kwargs))
        if operation.overloadpacket in ALIKE:
            types_met = {v.dtype for v in flat if isinstance(v, Tensor) and v.is_floating_point()}
            if len(types_met) > 1:
                raise TypeError(f"{operation}: given {sorted(map(str, types_met))} together")
        with self.fake:
            return operation(*args, **kwargs)

    def _look_at_copies(self, operation: Any, args: Any, kwargs: dict[str, Any]) -> None:
        """Raise for a copy that is read before it is there, and if strict for one that waits."""
        if operation is aten._to_copy:
            source, target = args[0].device.type, kwargs.get("device")
            target = source if target is None else torch.device(target).type
            waits = not kwargs.get("non_blocking")
        elif operation is aten.copy_:
            source, target = args[1].device.type, args[0].device.type
            waits = not (args[2] if len(args) > 2 else kwargs.get("non_blocking"))
        elif operation in (aten.index, aten.index_put_, aten.index_put):
            numbers = [at for at in args[1] if at is not None]
            source, target, waits = "cpu", "cuda", True
            if all(at.device == args[0].device for at in numbers):
                return
        else:
            return
        if (source, target) == ("cuda", "cpu") and not waits:
            raise RuntimeError(f"{operation}: the host would read this copy before it is there")
        if self.strict and source != target and waits:
            raise RuntimeError(f"{operation}: the host waits for the card")

    def _without_contents(self, tensor: Tensor) -> Tensor:
        return tensor if isinstance(tensor, FakeTensor) else self.fake.from_tensor(tensor)


@contextmanager
def pretended_card() -> Iterator[list[Launch]]:
    """Yield the Triton kernels that are launched on a card that only pretends to be there."""
    with ExitStack() as stack:
        card = Card()  # made while PyTorch still knows that there is none
        torch._C._ensureCUDADeviceGuardSet()  # nobody asks the driver which device is current
        for name, answer in ANSWERS.items():
            stack.enter_context(patch.object(torch.cuda, name, answer))
        # Pinning needs a driver; a copy from a pinned tensor is a copy.
        stack.enter_context(patch.object(Tensor, "pin_memory", lambda self, *_: self))
        stack.enter_context(patch.object(Tensor, "is_pinned", lambda self, *_: True))
        stack.enter_context(patch.object(implementations, "automatic", lambda *_: "triton"))
        # PyTorch 2.11 makes a tensor on the card before its first fake one.
        stack.enter_context(patch.object(fake_tensor, "init_gpu_context", lambda _: None))
        # The training has put its networks there already, and a second move would swap them.
        stack.enter_context(patch.object(SingleDeviceStrategy, "module_to_device", lambda *_: None))
        before = torch._C._only_lift_cpu_tensors()
        torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor(..., device=CARD) asks no driver
        stack.callback(torch._C._set_only_lift_cpu_tensors, before)
        launches = stack.enter_context(recorded())
        stack.enter_context(card)
        yield launches


def backward(loss: Tensor) -> int:
    """Give every parameter that the loss depends on a gradient without contents.

    The project's own backward pass, that of the sorting loss, is run. Returns how often.
    """
    assert loss.grad_fn is not None and loss.shape == ()
    waiting, seen, sorts = [loss.grad_fn], {loss.grad_fn}, 0
    while waiting:
        node = waiting.pop()
        if hasattr(node, "variable"):
            node.variable.grad = torch.zeros_like(node.variable)
        if isinstance(node, RowLoss._backward_cls):  # type: ignore[attr-defined]
            rows = torch.zeros(len(node.saved_tensors[0]), device=CARD)
            student, *_ = node.apply(rows, None)
            assert student.device == CARD and student.shape == node.saved_tensors[0].shape
            sorts += 1
        for following, _ in node.next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                waiting.append(following)
    return sorts
