"""Moving tensors from the host to the device without making the host wait."""

import numpy as np
import torch
from torch import Tensor


def to_device(values: Tensor | np.ndarray, device: torch.device) -> Tensor:
    """Return a tensor of the CPU on `device`. A GPU copies it asynchronously from pinned memory.

    A copy from pageable memory would first wait for everything that is queued on the device. So
    would one from pinned memory with gaps, such as a process's share of a transposed tensor, since
    PyTorch closes the gaps in pageable memory.
    """
    tensor = torch.from_numpy(values) if isinstance(values, np.ndarray) else values
    if device.type == "cuda" and not tensor.is_pinned():
        tensor = tensor.contiguous().pin_memory()
    return tensor.to(device, non_blocking=True)
