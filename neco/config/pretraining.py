"""Settings of pretraining the demo's backbone on whole images."""

from typing import Literal

from pydantic import Field

from neco.config.base import Seed, Settings, Shares


class Stage(Settings):
    """One stage of the pretraining: one cosine schedule on one kind of generated image."""

    images: Literal["portraits", "scenes"]
    """What the images show. `portraits`: one thing in the middle, whose kind is the label.
    `scenes`: one to four things, whose kinds are the labels."""
    pool: Literal["token", "average", "strongest"]
    """What the labels are predicted from. `token`: the class token. `average`: the mean of the
    patch tokens. `strongest`: for each class, the mean of the patches that speak for it most."""
    count: int = Field(ge=1)
    """Number of generated images. More of them take longer to make."""
    image_size: int = Field(ge=16)
    """Width and height in pixels of an image, from which crops are cut. A higher value shows more
    detail and takes longer."""
    sides: list[int] = [64]
    """Sides of the network's input in pixels; each batch draws one of them. Larger ones take
    longer."""
    crop_scale: Shares
    """Smallest and largest share of the image's area that a crop covers. Higher values show more of
    the image."""
    steps: int = Field(ge=1)
    """Optimiser steps of this stage. More of them take longer."""
    learning_rate: float = Field(gt=0.0)
    """Learning rate of AdamW at the start of the stage's cosine schedule. A higher value changes
    the weights faster."""


class Pretraining(Settings):
    """Pretraining of the demo's backbone on whole images: it learns labels of images and sees no
    mask."""

    image_seed: Seed = 7_000
    """Seed of the generated images. No dataset of the project uses it, so no image is seen
    twice."""
    seed: Seed = 0
    """Seed of the first weights, the order of images and their crops."""
    batch_size: int = Field(64, ge=1)
    """Images in a step. A higher value needs more memory."""
    stages: list[Stage] = [
        Stage(
            images="portraits", pool="token", count=16_000, image_size=80,
            crop_scale=(0.4, 1.0), steps=4000, learning_rate=1e-3,
        ),
        Stage(
            images="portraits", pool="average", count=16_000, image_size=80, sides=[64, 96],
            crop_scale=(0.4, 1.0), steps=1200, learning_rate=5e-4,
        ),
        Stage(
            images="scenes", pool="strongest", count=8_000, image_size=96, sides=[96],
            crop_scale=(0.8, 1.0), steps=1000, learning_rate=5e-4,
        ),
    ]  # fmt: skip
    """Stages, trained one after the other."""
    strongest: int = Field(10, ge=1)
    """Patches of each class that `strongest` takes the mean of. More of them ask for larger
    objects."""
    held_out: int = Field(1_000, ge=1)
    """Further images on which the mean average precision is measured. More of them measure more
    precisely."""
    weight_decay: float = Field(0.05, ge=0.0)
    """Weight decay of AdamW. A higher value pulls weights towards zero faster."""
    warmup_steps: int = Field(100, ge=0)
    """Number of steps over which the learning rate rises from 0 at the start of each stage. More of
    them start more gently."""
    processes: int = Field(2, ge=1)
    """Processes that draw images. More of them are faster if there are processor cores for them."""
