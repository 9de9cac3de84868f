"""Pretrain the demo's small Vision Transformer at image level, as the paper's backbones are.

It learns which classes a generated scene shows, from its class token alone: no mask, no patch
label. The shipped weights come from this module with the default settings.
"""

import logging
import math
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from neco.config.pretraining import Pretraining
from neco.data.scenes.scene import THING_NAMES, render_scene
from neco.views import normalise

log = logging.getLogger(__name__)


class TaggedScenes(NamedTuple):
    """Rendered scenes, kept whole so that every crop can be told what it shows."""

    images: Tensor
    """uint8 (N, 3, H, W)"""
    visible: Tensor
    """uint8 (N, H, W): 0, or 1 + the class seen there; read only to tag a crop as a whole."""


def _image_and_visible(index: int, seed: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    scene = render_scene(seed, index, size, size)
    return scene.image, scene.thing_classes()


def tagged_scenes(first: int, count: int, settings: Pretraining) -> TaggedScenes:
    """Return `count` scenes from number `first` on; the same numbers give the same scenes."""
    render = partial(_image_and_visible, seed=settings.scene_seed, size=settings.scene_size)
    with ProcessPoolExecutor(settings.processes) as pool:
        pairs = list(pool.map(render, range(first, first + count), chunksize=32))
    images = torch.from_numpy(np.stack([image for image, _ in pairs])).permute(0, 3, 1, 2)
    visible = torch.from_numpy(np.stack([seen for _, seen in pairs]))
    return TaggedScenes(images.contiguous(), visible)


def random_crops(
    scenes: TaggedScenes, picked: Tensor, side: int, settings: Pretraining
) -> tuple[Tensor, Tensor]:
    """Return square crops of the picked scenes, uint8 (B, 3, side, side), and their tags.

    Tags are float (B, classes): 1 where a class covers `visible_share` of the crop or more.
    """
    size = scenes.images.shape[-1]
    crops, tags = [], []
    for index in picked.tolist():
        share = torch.empty(()).uniform_(*settings.crop_scale).sqrt()
        edge = int(size * share)
        top, left = torch.randint(size - edge + 1, (2,)).tolist()
        window = (slice(top, top + edge), slice(left, left + edge))
        crops.append(
            nn.functional.interpolate(
                scenes.images[index, :, *window].unsqueeze(0).float(), (side, side),
                mode="bilinear", antialias=True,
            )
        )  # fmt: skip
        tags.append(_tags(scenes.visible[index][window], settings.visible_share))
    return torch.cat(crops), torch.stack(tags)


def _tags(visible: Tensor, share: float) -> Tensor:
    counts = torch.bincount(visible.flatten().int(), minlength=len(THING_NAMES) + 1)[1:]
    return (counts >= share * visible.numel()).float()


def coloured(crops: Tensor) -> Tensor:
    """Return flipped, re-exposed, normalised views (B, 3, H, W) of float crops in 0 to 255."""
    batch = crops.shape[0]
    images = crops / 255
    images = torch.where(torch.rand(batch, 1, 1, 1) < 0.5, images.flip(-1), images)
    gain = torch.empty(batch, 3, 1, 1).uniform_(0.8, 1.2)
    contrast = torch.empty(batch, 1, 1, 1).uniform_(0.7, 1.3)
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return normalise(((images - mean) * contrast + mean) * gain)


def average_precision(scores: Tensor, tags: Tensor) -> float:
    """Return the mean over classes of average precision; both (images, classes)."""
    order = scores.argsort(dim=0, descending=True)
    hits = tags.gather(0, order)  # (images, classes), best first
    precision = hits.cumsum(0) / torch.arange(1, len(hits) + 1).unsqueeze(1)
    return float(((precision * hits).sum(0) / hits.sum(0).clamp(min=1)).mean())


def pretrain(model: VisionTransformer, side: int, settings: Pretraining) -> float:
    """Train `model` (with one output per class) in place; return held-out mean AP in 0 to 1."""
    torch.manual_seed(settings.seed)
    scenes = tagged_scenes(0, settings.scenes, settings)
    held_out = tagged_scenes(settings.scenes, settings.held_out, settings)
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    started = time.perf_counter()
    model.train()
    for step in range(settings.steps):
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * _schedule(step, settings)
        picked = torch.randint(settings.scenes, (settings.batch_size,))
        crops, tags = random_crops(scenes, picked, side, settings)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(coloured(crops))  # (B, classes)
        loss = nn.functional.binary_cross_entropy_with_logits(logits.float(), tags)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        if step % 100 == 0 or step == settings.steps - 1:
            score = held_out_precision(model, held_out, side, settings)
            log.info(
                "step %d of %d  loss %.4f  held-out mean AP %.3f  %.0f s",
                step, settings.steps, loss.item(), score, time.perf_counter() - started,
            )  # fmt: skip
    return score


@torch.inference_mode()
def held_out_precision(
    model: nn.Module, scenes: TaggedScenes, side: int, settings: Pretraining
) -> float:
    """Return mean average precision of the tags on the middle of each scene, `side` pixels wide."""
    model.eval()
    size = scenes.images.shape[-1]
    edge = slice((size - side) // 2, (size - side) // 2 + side)
    tags = torch.stack([_tags(seen[edge, edge], settings.visible_share) for seen in scenes.visible])
    batches = scenes.images[:, :, edge, edge].split(100)
    scores = torch.cat([model(normalise(batch.float() / 255)) for batch in batches])
    model.train()
    return average_precision(scores, tags)


def _schedule(step: int, settings: Pretraining) -> float:
    if step < settings.warmup_steps:
        return (step + 1) / settings.warmup_steps
    progress = (step - settings.warmup_steps) / max(1, settings.steps - settings.warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * progress))


def classes() -> int:
    """Return the number of tags, the model's outputs during pretraining."""
    return len(THING_NAMES)
