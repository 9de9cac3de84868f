"""Post-training with NeCo: loop.py is the way in, step.py the step, and the others are their
parts."""

from neco.training.loop import train

__all__ = ["train"]
