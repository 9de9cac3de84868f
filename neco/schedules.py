"""A cosine schedule: a step of a training comes in, the value at that step comes out."""

import math


def cosine(step: int, steps: int, start: float, end: float, warmup: int = 0) -> float:
    """Return the value at `step` of `steps`: it rises in a line over `warmup` steps from 0 to
    `start`, then follows half a cosine to `end`."""
    if step < warmup:
        return start * (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
