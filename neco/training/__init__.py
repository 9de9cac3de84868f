"""Post-training: the loop and what it is made of."""

from neco.training.loop import train

__all__ = ["train"]
