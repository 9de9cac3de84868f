"""Typed configuration: the one definition of every setting and the only place for numbers."""

from neco.config.datasets import Scenes
from neco.config.evaluation import Extraction, InContext, Linear, Overcluster, Segmenter
from neco.config.load import digest, load_project, with_included
from neco.config.loss import Loss, References, Sorting
from neco.config.project import PROTOCOLS, Evaluation, Project
from neco.config.publishing import Publish
from neco.config.runs import Model, Run
from neco.config.training import PRESETS, Crops, Head, Optimiser, Photometric, Teacher, Train

__all__ = [
    "PRESETS",
    "PROTOCOLS",
    "Crops",
    "Evaluation",
    "Extraction",
    "Head",
    "InContext",
    "Linear",
    "Loss",
    "Model",
    "Optimiser",
    "Overcluster",
    "Photometric",
    "Project",
    "Publish",
    "References",
    "Run",
    "Scenes",
    "Segmenter",
    "Sorting",
    "Teacher",
    "Train",
    "digest",
    "load_project",
    "with_included",
]
