"""The conditions under which the paper measured. Source: paper, section 4, appendices A and D."""

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
"""Images of every split (appendix D); ImageNet-100 as in the released code."""
EVALUATED = tuple(name for name in IMAGES if name not in ("coco", "imagenet-100"))
"""Datasets on which the paper measures."""
TENTH = ("coco-things", "coco-stuff")
"""Datasets on which linear segmentation trains on a random tenth of the images."""
TRAINING = {"images": IMAGES["coco"]["train"], "epochs": 25, "batch_size": 64}
ABLATION_EPOCHS = 10
ABLATION_IMAGE_SIZE = 448
"""In-context input of the ablations (section 4.3); elsewhere it is the protocol's default."""
ABLATION_FRACTION = "1/128"
"""In-context setting of every ablation (section 4.3)."""
RERUN = 1.0
"""By how many points of mIoU reruns of the paper's protocols differ."""
HOURS, HOURS_BACKBONE = 19.0, "dinov2xr-vits14"
"""GPU-hours of one training on COCO, one A6000-hour counted as one, and of which backbone: ViT-S/14
without registers (title, Table 9d)."""
PARAMS = {"ViT-S": "21M", "ViT-B": "85M"}
"""Parameters as the paper's tables round them, by how an architecture's name begins."""


def train_images(dataset: str) -> tuple[int, ...]:
    """Return the counts of training images that count as the paper's, the whole split first."""
    if dataset not in EVALUATED:
        return ()
    whole = IMAGES[dataset].get("trainaug", IMAGES[dataset]["train"])
    return (whole, whole // 10, whole // 10 + 1) if dataset in TENTH else (whole,)
