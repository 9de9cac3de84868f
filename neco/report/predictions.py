"""What a model says about single images, through the evaluations' own functions."""

from dataclasses import dataclass

import numpy as np

from neco.config.evaluation import InContext
from neco.data.dataset import Dataset
from neco.evaluate.in_context import predict
from neco.evaluate.metrics import class_iou, confusion, margins, mean_iou
from neco.features import Features


@dataclass(frozen=True)
class ModelFeatures:
    """Frozen features of one model for the figures, at each protocol's input size."""

    name: str
    """As the figure calls it: `DINOv2R`, `NeCo`."""
    train: Features
    """In-context, training split."""
    val: Features
    """In-context, held-out split."""
    cluster: Features
    """Overclustering, held-out split."""


def in_context_predictions(
    model: ModelFeatures, train: Dataset, val: Dataset, chosen: list[int], settings: InContext
) -> list[np.ndarray]:
    """Return the predicted labels (H, W) of the chosen held-out images at their own size.

    The memory holds all training images, as in the evaluation's 1/1 setting.
    """
    return predict(model.train, train, model.val, val, chosen, settings)


def image_miou(predicted: np.ndarray, truth: np.ndarray, classes: int) -> float:
    """Return the mIoU in percent of one image over the classes that it shows."""
    ious = class_iou(margins(confusion(predicted, truth, classes)))
    return float(mean_iou(ious, "skip")) * 100
