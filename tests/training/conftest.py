"""Images that the tests of training share."""

import numpy as np
import pytest
from PIL import Image

from neco.data.dataset import Dataset, Item


@pytest.fixture(scope="session")
def photos(tmp_path_factory) -> Dataset:
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    items = []
    for number in range(7):
        blocks = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        path = folder / f"{number}.png"
        Image.fromarray(blocks).resize((80, 60)).save(path)
        items.append(Item(str(number), path, None, "train"))
    return Dataset("photos", folder, "train", [], items)
