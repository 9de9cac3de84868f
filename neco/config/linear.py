"""Settings of linear segmentation. Defaults are the paper's; source: appendix A.2."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from neco.config.base import Seeds, Shares
from neco.config.protocol import Gridded, Preset


class Linear(Gridded):
    """Linear segmentation: a 1x1 convolution on frozen patch tokens (paper, appendix A.2)."""

    presets: ClassVar[dict[str, Preset]] = {
        "paper": Preset(),
        "released": Preset(
            {
                "resampling": "floor",
                "epochs": 25,
                "decay_epochs": 20,
                "drop_last": True,
                "reported": "best",
            },
            on={
                "pascal-voc": {"shuffle": False, "whole_batches": 128},
                "ade20k": {"shuffle": False, "drop_last": False, "ignored_class": "zero"},
            },
        ),
    }

    preset: Literal["paper", "released"] = "paper"
    """Named starting point. `paper`: the paper's text. `released`: the authors' code to the
    letter."""
    image_size: int = Field(448, ge=8)
    """Width and height of the input images in pixels, rounded down to a multiple of the patch size.
    Larger images have more and finer patches and take longer (paper: 448)."""
    mask_size: int = Field(100, ge=1)
    """Width and height, in cells, at which predictions and masks are compared, in training and for
    the result. A higher value counts finer edges and gives lower scores (paper: 100)."""
    full_resolution: bool = True
    """`true` also reports the mIoU on masks of the image's own size, as a second result, and takes
    longer. `false` does not."""
    epochs: int = Field(20, ge=1)
    """How often every training image is used. More epochs take longer (paper: 20; released
    configurations: 25)."""
    batch_size: int = Field(128, ge=1)
    """Images in a step. A higher value needs more memory and makes fewer steps of an epoch
    (released configurations: 128)."""
    drop_last: bool = False
    """`true` leaves out the last batch of an epoch if it is not full (released code on VOC and
    COCO); `false` uses it too."""
    shuffle: bool = True
    """`true` takes the training images in a new order every epoch; `false` always in the order of
    the dataset's index (released code on VOC and ADE20K)."""
    learning_rate: float = Field(0.01, gt=0.0)
    """Learning rate of SGD at the start. A higher value changes the head faster (paper: 0.01)."""
    momentum: float = Field(0.9, ge=0.0, lt=1.0)
    """Momentum of SGD: the share of the last step that is added to the next one. A higher value
    makes steps smoother (released code: 0.9)."""
    weight_decay: float = Field(1e-4, ge=0.0)
    """Weight decay of SGD. A higher value keeps the head's weights smaller (released code:
    1e-4)."""
    decay_epochs: int | None = Field(None, ge=1)
    """Number of epochs after which the learning rate drops by `decay_factor`, again and again. A
    higher value drops it later; it must be less than `epochs`. null never drops it, as in the
    paper: its code drops after 20 epochs, which is when the training ends (released configurations:
    20 of 25 epochs)."""
    decay_factor: float = Field(0.1, gt=0.0, le=1.0)
    """Factor by which the learning rate is multiplied when it drops. A higher value makes the drop
    smaller (released code: 0.1)."""
    reported: Literal["last", "best"] = "last"
    """Which epoch's mIoU is the result. `last`: the last one's. `best`: the highest on the held-out
    images (released code), which is optimistic, because it looks at the labels that it is scored
    on. The metrics file has both."""
    crop_scale: Shares = (0.8, 1.0)
    """Smallest and largest share of the image's area that a training crop covers. Higher values
    show more of the image (paper: 0.8 to 1)."""
    augment: bool = True
    """`true` crops and flips the training images anew in every epoch and sends them through the
    backbone (the protocol). `false` uses cached tokens of the images as they are, which is much
    faster."""
    flip_probability: float = Field(0.5, ge=0.0, le=1.0)
    """Probability that a training image is mirrored, left to right. A higher value mirrors more of
    them (released code: 0.5)."""
    train_fraction: float = Field(1.0, gt=0.0, le=1.0)
    """Share of the training images that is used, drawn at random with each seed. A higher value
    takes longer (paper: 0.1 on COCO, otherwise 1)."""
    whole_batches: int | None = Field(None, ge=1)
    """Only the first images of the held-out split are scored, as many as fill whole batches of this
    size. A higher value can leave out more images; null takes all. The released code leaves out the
    last, incomplete batch of 128 on VOC."""
    seeds: Seeds = [0]
    """Seeds of the head's first weights and of the order and crops of images. Each is a result, and
    tables show the mean over seeds."""

    @model_validator(mode="after")
    def _decay_acts(self) -> "Linear":
        if self.decay_epochs is not None and self.decay_epochs >= self.epochs:
            raise ValueError(
                f"decay_epochs: a step after {self.decay_epochs} of {self.epochs} epochs would "
                "never act; set decay_epochs lower, or to null"
            )
        return self
