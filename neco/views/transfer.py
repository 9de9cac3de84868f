"""Host to device without making the host wait."""

import numpy as np
import torch
from torch import Tensor


def to_device(values: Tensor | np.ndarray, device: torch.device) -> Tensor:
    """Return what lies on the CPU on `device`; to a GPU it goes from pinned memory, asynchronously.

    From pageable memory the copy would first wait for everything queued on the device.
    """
    tensor = torch.from_numpy(values) if isinstance(values, np.ndarray) else values
    if device.type == "cuda" and not tensor.is_pinned():
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)
