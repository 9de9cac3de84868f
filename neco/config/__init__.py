"""Typed configuration: the one definition of every setting and the only place for numbers."""

from neco.config.datasets import Scenes
from neco.config.load import digest, load_project, with_included
from neco.config.loss import Loss, References, Sorting
from neco.config.project import PROTOCOLS, Evaluation, Project
from neco.config.publishing import Publish
from neco.config.training import PRESETS, Crops, Head, Photometric, Train

__all__ = [
    "PRESETS",
    "PROTOCOLS",
    "Crops",
    "Evaluation",
    "Head",
    "Loss",
    "Photometric",
    "Project",
    "Publish",
    "References",
    "Scenes",
    "Sorting",
    "Train",
    "digest",
    "load_project",
    "with_included",
]
