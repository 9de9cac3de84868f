"""The conditions under which the paper measured: counts of images, training and input sizes.

Source: paper, section 4, appendices A and D.
"""

IMAGES = {
    "coco": {"train": 118_287, "val": 5_000},
    "coco-things": {"train": 118_287, "val": 5_000},
    "coco-stuff": {"train": 118_287, "val": 5_000},
    "coco-stuff-164k": {"train": 118_287, "val": 5_000},
    "pascal-voc": {"train": 1_464, "trainaug": 10_582, "val": 1_449},
    "pascal-context": {"train": 4_998, "val": 5_105},
    "ade20k": {"train": 20_210, "val": 2_000},
    "imagenet-100": {"train": 126_689},
}
"""How many images every split has (appendix D). ImageNet-100's are those of the released code."""
EVALUATED = tuple(name for name in IMAGES if name not in ("coco", "imagenet-100"))
"""Datasets on which the paper measures."""
TENTH = ("coco-things", "coco-stuff")
"""Datasets on which linear segmentation trains on a random tenth of the images."""
TRAINING = {"images": IMAGES["coco"]["train"], "epochs": 25, "batch_size": 64}
ABLATION_EPOCHS = 10
ABLATION_IMAGE_SIZE = 448
"""Width and height of in-context images in the ablations (section 4.3). Elsewhere they are the
protocol's default."""
ABLATION_FRACTION = "1/128"
"""The in-context setting of every ablation (section 4.3)."""
RERUN = 1.0
"""By how many points of mIoU reruns of the paper's protocols differ."""
HOURS, HOURS_BACKBONE = 19.0, "dinov2xr-vits14"
"""GPU-hours of one training on COCO (title, Table 9d), and the backbone that they hold for, which
is a ViT-S/14 without registers. An hour of an A6000 counts as one."""
PARAMS = {"ViT-S": "21M", "ViT-B": "85M"}
"""Numbers of parameters as the paper's tables round them, by the beginning of the architecture's
name."""


def train_images(dataset: str) -> tuple[int, ...]:
    """Return the numbers of training images that count as the paper's, the whole split first."""
    if dataset not in EVALUATED:
        return ()
    whole = IMAGES[dataset].get("trainaug", IMAGES[dataset]["train"])
    return (whole, whole // 10, whole // 10 + 1) if dataset in TENTH else (whole,)
