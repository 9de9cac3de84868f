"""The class token's attention: a backbone and a split come in, a file with maps comes out.

The attention is averaged over heads.
"""

import json
from pathlib import Path

import numpy as np
import torch

from neco.backbones.backbone import Backbone
from neco.config.extraction import Extraction
from neco.data.dataset import Dataset
from neco.errors import UserError
from neco.features import Features, SquareImages, device_of
from neco.files import opened_whole
from neco.loading import loader
from neco.normalisation import IMAGENET, Normalisation
from neco.precision import full_float32
from neco.transforms import input_side


def write_attention(
    backbone: Backbone,
    dataset: Dataset,
    image_size: int,
    settings: Extraction,
    into: Path,
    normalisation: Normalisation = IMAGENET,
) -> Path:
    """Write attention, float32 (images, rows, columns), and the images' ids to a .npz file.

    Returns its path. image_size: of the images that the backbone sees, in pixels. Raises
    UserError for a backbone without a class token.
    """
    side = input_side(image_size, backbone.patch_size)
    device = device_of(backbone)
    images = loader(
        SquareImages(dataset, side, normalisation),
        settings.batch_size,
        workers=settings.workers,
        pin_memory=device.type == "cuda",
    )
    backbone.eval()
    maps = []
    with full_float32():
        for batch in images:
            attention = backbone.class_attention(batch.to(device, non_blocking=True))
            maps.append(attention.float().mean(dim=1).cpu().numpy())
    ids = json.dumps([item.id for item in dataset.items])
    with opened_whole(into, "wb") as file:
        np.savez(file, attention=np.concatenate(maps), ids=np.array(ids))
    return into


def read_attention(path: Path, features: Features) -> torch.Tensor:
    """Return the attention (images, 1, rows, columns) that belongs to `features`.

    Raises UserError where the file has the attention of other images or of another grid.
    """
    with np.load(path) as stored:
        maps, ids = stored["attention"], json.loads(str(stored["ids"]))
    if ids != features.ids or maps.shape != features.tokens.shape[:3]:
        raise UserError(
            f"{path}: the attention is not of the images that the features hold; make both again "
            "with `neco extract` and `neco attend`"
        )
    return torch.from_numpy(maps)[:, None]
