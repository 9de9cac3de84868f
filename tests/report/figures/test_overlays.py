import numpy as np
import pytest

from neco.report.figures.overlays import image_miou


def test_miou_of_one_image_counts_the_classes_it_shows() -> None:
    truth = np.array([[0, 0, 1, 255]], np.uint8)
    predicted = np.array([[0, 2, 1, 1]], np.uint8)
    assert image_miou(predicted, truth, 3) == pytest.approx(100 * (1 / 2 + 1) / 2)
