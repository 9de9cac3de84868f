"""A cosine schedule: a step of a training comes in, the value at that step comes out."""

import math


def cosine(step: int, steps: int, start: float, end: float, warmup: int = 0) -> float:
    """Return the value at `step`, which counts from 0, of `steps`.

    It rises in a line from 0 to `start` over `warmup` steps, and then follows half a cosine to
    `end`.
    """
    if step < warmup:
        return start * (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
