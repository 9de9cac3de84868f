"""How far a result is from the paper's conditions. Source: paper, section 4, appendices A and D."""

from typing import Any

from neco.config.protocol import laid
from neco.evaluate.protocol import PROTOCOLS
from neco.evaluate.result import Metrics

VAL_IMAGES = {
    "pascal-voc": 1449,
    "coco-things": 5000,
    "coco-stuff": 5000,
    "ade20k": 2000,
    "pascal-context": 5105,
    "coco-stuff-164k": 5000,
}
TRAIN_IMAGES = {
    "pascal-voc": (10582,),
    "ade20k": (20210,),
    "coco-things": (118287, 11828, 11829),  # linear: a random 10 %
    "coco-stuff": (118287, 11828, 11829),
    "pascal-context": (4998,),
    "coco-stuff-164k": (118287,),
}
TRAINING = {"images": 118287, "epochs": 25, "batch_size": 64}
TRAINED = {
    "images": "trained on {:,} images (paper {:,})",
    "epochs": "trained for {:,} epochs (paper {:,})",
    "batch_size": "trained with batches of {:,} (paper {:,})",
}
ABLATION_EPOCHS = 10
ABLATION_IMAGE_SIZE = 448
"""In-context input of the ablations (section 4.3); elsewhere it is the protocol's default."""
VARIED = {"5d": "images", "9b": "batch_size", "9d": "epochs"}
"""What an ablation table varies, and so is no difference of scale."""


def reasons(
    result: Metrics, training: dict[str, Any], ablations: tuple[str, ...] = ()
) -> list[str]:
    """Return what differs from the paper's conditions, in words; empty at the paper's scale.

    `ablations` are the cells that the run is for (`5a/foreground`): they have conditions of
    their own.
    """
    found = []
    expected = VAL_IMAGES.get(result.dataset)
    if expected is None:
        found.append("a dataset that the paper does not use")
    elif result.conditions.val_images != expected:
        found.append(f"{result.conditions.val_images:,} held-out images (paper {expected:,})")
    train_images = result.conditions.train_images
    known = TRAIN_IMAGES.get(result.dataset, ())
    if train_images and known and train_images not in known:
        found.append(f"{train_images:,} training images (paper {known[0]:,})")
    return found + _settings(result, bool(ablations)) + _training(training, ablations)


def _settings(result: Metrics, ablation: bool) -> list[str]:
    if result.protocol not in PROTOCOLS:
        return []
    record = PROTOCOLS[result.protocol]
    paper = laid(record.settings, [], result.dataset, "paper").model_dump(mode="json")
    if ablation and result.protocol == "in-context":
        paper["image_size"] = ABLATION_IMAGE_SIZE
    unlike = record.no_difference(result.settings)
    found = [
        f"{key.replace('_', ' ')} {result.settings[key]} (paper {value})"
        for key, value in paper.items()
        if key not in unlike and key in result.settings and result.settings[key] != value
    ]
    seeds, expected = len(result.settings.get("seeds", [])), len(paper.get("seeds", []))
    if seeds and seeds < expected:
        found.append(f"{seeds} evaluation seed{'s' * (seeds > 1)} (paper {expected})")
    return found


def _training(training: dict[str, Any], ablations: tuple[str, ...]) -> list[str]:
    paper = dict(TRAINING, epochs=ABLATION_EPOCHS) if ablations else dict(TRAINING)
    steps, epochs = training.get("steps"), paper["epochs"]
    for cell in ablations:
        paper.pop(VARIED.get(cell.partition("/")[0], ""), None)
    found = [
        TRAINED[key].format(training[key], value)
        for key, value in paper.items()
        if isinstance(training.get(key), int | float) and training[key] != value
    ]
    if steps:
        found.append(f"trained for {steps:,} steps (paper {epochs} epochs)")
    return found
