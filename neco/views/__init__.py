"""Multi-crop views: images come in, their views and the boxes of their crops come out.

Workers draw the boxes. Either the workers or the training's device cut the views, and the device
changes their colours.
"""

from neco.views.boxes import sample_boxes
from neco.views.changes import Changes, draw_changes
from neco.views.multicrop import MultiCropDataset, Views, collate
from neco.views.photographs import PhotographDataset, Photographs, collate_photographs
from neco.views.photometric import normalise, photometric, recoloured
from neco.views.resample import cut_on_device, views_on_device

__all__ = [
    "Changes",
    "MultiCropDataset",
    "PhotographDataset",
    "Photographs",
    "Views",
    "collate",
    "collate_photographs",
    "cut_on_device",
    "draw_changes",
    "normalise",
    "photometric",
    "recoloured",
    "sample_boxes",
    "views_on_device",
]
