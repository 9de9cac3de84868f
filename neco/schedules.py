"""Cosine schedules, evaluated at every step."""

import math


def cosine(step: int, steps: int, start: float, end: float, warmup: int = 0) -> float:
    """Return the value at `step` of `steps`: a linear rise over `warmup`, then half a cosine."""
    if step < warmup:
        return start * (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
