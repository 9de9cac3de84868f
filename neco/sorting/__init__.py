"""Relaxed sorting networks and the loss on them.

Rows of values of the student and of the teacher come in, and a loss for each row comes out.
"""

from neco.sorting.implementations import Implementation
from neco.sorting.loss import SortingLoss, SortSettings, sorting_cross_entropy
from neco.sorting.networks import NetworkName
from neco.sorting.reference import soft_sort
from neco.sorting.relaxations import RelaxationName

__all__ = [
    "Implementation",
    "NetworkName",
    "RelaxationName",
    "SortSettings",
    "SortingLoss",
    "soft_sort",
    "sorting_cross_entropy",
]
