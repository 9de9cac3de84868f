"""NeCo's post-training: a backbone and images come in, trained weights come out.

loop.py is the way in, step.py has the step, and the other modules are their parts.
"""

from neco.training.loop import train

__all__ = ["train"]
