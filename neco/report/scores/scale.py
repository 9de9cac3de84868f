"""How far a result is from the paper's conditions: a metrics file comes in, reasons come out."""

from typing import Any

from neco.config.protocol import laid
from neco.evaluate.protocol import PROTOCOLS
from neco.evaluate.result import Metrics
from neco.paper.conditions import (
    ABLATION_EPOCHS,
    ABLATION_IMAGE_SIZE,
    EVALUATED,
    IMAGES,
    TRAINING,
    train_images,
)
from neco.paper.tables import LAYOUTS

TRAINED = {
    "images": "trained on {:,} images (paper {:,})",
    "epochs": "trained for {:,} epochs (paper {:,})",
    "batch_size": "trained with batches of {:,} (paper {:,})",
}


def reasons(
    result: Metrics, training: dict[str, Any], ablations: tuple[str, ...] = ()
) -> list[str]:
    """Return in words what differs from the paper's conditions. Nothing does at the paper's scale.

    training: what is known of the model's training (models.json). ablations: the cells that the run
    is for, as `5a/foreground`, since they have other conditions.
    """
    found = []
    held_out, trained = result.conditions.val_images, result.conditions.train_images
    if result.dataset not in EVALUATED:
        found.append("a dataset that the paper does not use")
    elif held_out != IMAGES[result.dataset]["val"]:
        found.append(f"{held_out:,} held-out images (paper {IMAGES[result.dataset]['val']:,})")
    known = train_images(result.dataset)
    if result.protocol != "overcluster" and trained and known and trained not in known:
        found.append(f"{trained:,} training images (paper {known[0]:,})")
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
        table = LAYOUTS.get(cell.partition("/")[0])
        paper.pop(table.varies if table else "", None)
    found = [
        TRAINED[key].format(training[key], value)
        for key, value in paper.items()
        if isinstance(training.get(key), int | float) and training[key] != value
    ]
    if steps:
        found.append(f"trained for {steps:,} steps (paper {epochs} epochs)")
    return found
