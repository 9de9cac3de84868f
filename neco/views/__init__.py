"""Multi-crop views: boxes and crops in the workers, colour on the device."""

from neco.views.boxes import sample_boxes
from neco.views.multicrop import MultiCropDataset, Views, collate
from neco.views.photometric import normalise, photometric

__all__ = ["MultiCropDataset", "Views", "collate", "normalise", "photometric", "sample_boxes"]
