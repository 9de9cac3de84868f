"""Multi-crop views: an image comes in, its crops with changed colours come out.

Workers draw the crops' boxes, the training's device changes colours, and either of the two cuts the
crops.
"""

from neco.views.boxes import sample_boxes
from neco.views.changes import Changes, draw_changes
from neco.views.multicrop import MultiCropDataset, Views, collate
from neco.views.photographs import PhotographDataset, Photographs, collate_photographs
from neco.views.photometric import normalise, photometric, recoloured
from neco.views.resample import crops_on_device, cut_on_device

__all__ = [
    "Changes",
    "MultiCropDataset",
    "PhotographDataset",
    "Photographs",
    "Views",
    "collate",
    "collate_photographs",
    "crops_on_device",
    "cut_on_device",
    "draw_changes",
    "normalise",
    "photometric",
    "recoloured",
    "sample_boxes",
]
