"""Which Triton kernels a call of the sorting loss starts, found without a card.

The path runs on tensors without contents while its kernels are replaced by recorders: what they
are called with is what Triton would compile. A wrong name or number of arguments shows here.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

import torch

from neco.sorting import triton_path
from neco.sorting.row_loss import Problem

KERNELS = ("sort_values", "compare_rows", "pull_values")
ALIGNED = 16
"""Triton compiles apart what is divisible by this: addresses always, as PyTorch allocates them."""
OPTIONS = ("num_warps", "num_stages", "num_ctas")
KINDS = {torch.float32: "*fp32", float: "fp32", int: "i32"}


class Launch(NamedTuple):
    """One compiled variant of a kernel; two equal launches share the machine code."""

    kernel: str
    signature: tuple[tuple[str, str], ...]
    """Names and types of all arguments in order, `constexpr` where the value is compiled in"""
    constants: tuple[tuple[str, Any], ...]
    aligned: tuple[str, ...]
    warps: int

    def about(self) -> dict[str, Any]:
        """Return what tells this variant from others of its kernel."""
        return {name.lower(): value for name, value in self.constants} | {"warps": self.warps}


class _Recorder:
    """Stands in for a kernel: kernel[grid](*arguments, **named) notes a Launch."""

    def __init__(self, kernel: Any, noted: Callable[[Launch], None]) -> None:
        self.kernel, self.noted = kernel, noted

    def __getitem__(self, grid: Any) -> Callable[..., None]:
        return self._launch

    def _launch(self, *given: Any, **named: Any) -> None:
        options = {name: named.pop(name) for name in OPTIONS if name in named}
        names = self.kernel.arg_names
        values = dict(zip(names, given, strict=False)) | named
        if len(given) > len(names) or set(values) != set(names):
            raise TypeError(f"{self.kernel.__name__}: given {sorted(values)}, takes {names}")
        constants = {n: v for n, v in values.items() if n.isupper() or (type(v) is int and v == 1)}
        signature = {n: "constexpr" if n in constants else kind_of(values[n]) for n in names}
        aligned = [
            n
            for n, kind in signature.items()
            if kind.startswith("*") or (kind == "i32" and values[n] % ALIGNED == 0)
        ]
        self.noted(
            Launch(
                self.kernel.__name__,
                tuple(signature.items()),
                tuple(constants.items()),
                tuple(aligned),
                options.get("num_warps", 4),
            )
        )


def kind_of(value: Any) -> str:
    """Return Triton's name of a value's type."""
    return KINDS[value.dtype if isinstance(value, torch.Tensor) else type(value)]


@contextmanager
def recorded() -> Iterator[list[Launch]]:
    """Yield a list that fills with the different launches made meanwhile; nothing is computed."""
    from neco.sorting import triton_kernel

    launches: list[Launch] = []

    def note(launch: Launch) -> None:
        if launch not in launches:
            launches.append(launch)

    recorders = {name: _Recorder(getattr(triton_kernel, name), note) for name in KERNELS}
    with patch.multiple(triton_kernel, **recorders):
        yield launches


def launches_of(width: int, relaxation: str, *, two_way: bool) -> list[Launch]:
    """Return the variants that the loss needs at `width` references, as a training calls it."""
    problem = Problem("bitonic", relaxation, 100.0, 100.0, 0.25, 1e-30, two_way, width, True, False)  # type: ignore[arg-type]
    values = torch.empty(64, width, device="meta")
    with recorded() as launches:
        triton_path.evaluate(values, values, problem)
    return launches
