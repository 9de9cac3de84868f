"""One fine-tuning with one learning rate and seed: a backbone comes in, its mIoU comes out."""

import logging
import time
from pathlib import Path
from typing import Any

import torch

from neco.backbones.backbone import Backbone
from neco.config.extraction import Extraction
from neco.config.segmenter import Segmenter
from neco.data.dataset import Dataset
from neco.errors import UserError
from neco.evaluate.conditions import evaluation_device, state_conditions
from neco.evaluate.metrics import Tally
from neco.evaluate.result import Metrics, metrics_of, with_parts, write_parts_beside
from neco.evaluate.segmenter.fine_tune import fine_tune, fine_tuning_identity
from neco.evaluate.segmenter.images import held_out_batches
from neco.evaluate.segmenter.network import PaddedSegmenter, build_network, padded_side
from neco.normalisation import IMAGENET, Normalisation
from neco.training.checkpoint import read_checkpoint, save_checkpoint
from neco.training.finish import code_digest

log = logging.getLogger(__name__)

FINISHED = "finished.record"
"""The file with the result of a finished fine-tuning, in the folder of its checkpoints."""
TOKENS = "patch tokens after the final norm, fine-tuned with the head"


@torch.no_grad()
def score(network: PaddedSegmenter, dataset: Dataset, settings: Segmenter, workers: int) -> Tally:
    """Return the score of the network's predictions on masks at their own size."""
    network.eval()
    found = Tally.of(dataset, settings)
    for batch in held_out_batches(dataset, settings, workers):
        for sample in network.predict(**network.data_preprocessor(batch, training=False)):
            predicted = sample.pred_sem_seg.data[0].cpu().numpy()  # (H, W)
            found.update(predicted, sample.gt_sem_seg.data[0].cpu().numpy())
    return found


def evaluate(
    backbone: Backbone,
    train_dataset: Dataset,
    val_dataset: Dataset,
    settings: Segmenter,
    learning_rate: float,
    seed: int,
    checkpoints: Path,
    *,
    about: dict[str, Any] | None = None,
    extraction: Extraction | None = None,
    normalisation: Normalisation = IMAGENET,
    device: str | None = None,
) -> Metrics:
    """Return the metrics (see neco.evaluate.result) of one learning rate and seed.

    The backbone is trained in place. The folder `checkpoints` holds checkpoint.ckpt, from which the
    same call continues. In the end it holds finished.record, from which the same call returns the
    result, and beside it what the number is made of, image by image. about: what the caller knows
    of the model (`model`, `backbone`, `weights_digest`). extraction: only its `workers` is read.
    Without it there are no workers.
    """
    began = time.perf_counter()
    where = evaluation_device(device)
    workers = extraction.workers if extraction else 0
    origin = {**(about or {}), "dataset": train_dataset.name, "split": train_dataset.split}
    backbone.attend_for_training(where.type, settings.precision)
    # Without a name every GPU of the machine would be woken to keep its generator.
    with torch.random.fork_rng([where] if where.type == "cuda" else []):
        torch.manual_seed(seed)
        network = build_network(
            backbone, len(train_dataset.classes), settings, normalisation, where.type
        )
        network.to(where)
        identity = fine_tuning_identity(
            network, train_dataset, settings, learning_rate, seed, origin
        ) | {"held out": val_dataset.digest(), "code": code_digest()}
        if known := _finished(checkpoints / FINISHED, identity):
            return known
        kept = fine_tune(
            network, train_dataset, settings, learning_rate, seed, checkpoints,
            lambda: score(network, val_dataset, settings, workers).result("", seed).mIoU,
            where, workers, origin,
        )  # fmt: skip
    details = {"learning_rate": learning_rate, "iterations": settings.iterations,
               "training_seconds": round(kept["seconds"], 1), "curve": kept["curve"]}  # fmt: skip
    result = score(network, val_dataset, settings, workers).result("", seed, details)
    side = padded_side(settings.crop_size, backbone.patch_size)
    seen = {**origin, "image_size": side, "grid": [side // backbone.patch_size] * 2}
    conditions = state_conditions(
        seen, val_dataset, settings, train_dataset=train_dataset, device=where, began=began,
        mask_resolution="full", seeds=[seed], augment=True, tokens=TOKENS,
    )  # fmt: skip
    metrics = metrics_of("segmenter", origin, val_dataset, settings, [result], conditions)
    # A workflow deletes the result of a job that was killed before it could note that it is done.
    write_parts_beside(checkpoints / FINISHED, metrics)
    save_checkpoint(checkpoints / FINISHED, {"metrics": metrics.model_dump_json()}, identity)
    return metrics


def _finished(record: Path, identity: dict[str, Any]) -> Metrics | None:
    """Return the metrics of a fine-tuning that is finished already, else None."""
    if not record.exists():
        return None
    try:
        state = read_checkpoint(record, identity)
        found = with_parts(record, Metrics.model_validate_json(state["metrics"]))
    except (UserError, KeyError, ValueError):
        return None
    log.info("%s: is finished with these settings and images; nothing to do", record.parent)
    return found
