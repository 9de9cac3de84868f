"""Multi-crop views: boxes and crops in the workers, colour on the device."""

from neco.views.boxes import sample_boxes
from neco.views.changes import Changes, draw_changes
from neco.views.multicrop import MultiCropDataset, Views, collate
from neco.views.photometric import normalise, photometric, recoloured

__all__ = [
    "Changes",
    "MultiCropDataset",
    "Views",
    "collate",
    "draw_changes",
    "normalise",
    "photometric",
    "recoloured",
    "sample_boxes",
]
