"""Pretrain the demo's small Vision Transformer at image level, as the paper's backbones are.

First it names the one thing of a generated, object-centric portrait, from its class token, then
from the mean of its patch tokens; last it tells which kinds of things a scene shows, from each
kind's strongest patches. Labels are of whole images: no mask, no patch label. The shipped weights
come from this module with the default settings.
"""

import logging
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from neco.backbones.backbone import Backbone
from neco.backbones.load import build_network, write_weights
from neco.backbones.registry import backbone_spec
from neco.config.pretraining import Pretraining, Stage
from neco.data.scenes.scene import THING_NAMES, render_portrait, render_scene
from neco.precision import fast_half
from neco.processes import process_pool
from neco.schedules import cosine
from neco.views import normalise

log = logging.getLogger(__name__)


def write_demo_backbone(into: Path, settings: Pretraining) -> Path:
    """Pretrain the architecture of `demo-vit` and write its weights, without the classifier."""
    spec = backbone_spec("demo-vit")
    network = build_network(spec)
    Backbone(network, spec.patch_size, network.embed_dim).attend_for_training("cpu", "auto")
    precision = pretrain(network, settings)
    about = {"backbone": spec.name, "source": "neco pretrain", "tags": f"AP {precision:.3f}"}
    # Half precision on disk: a file of a few MB. Loading turns it back into float32.
    state = {key: value.detach().half() for key, value in network.state_dict().items()}
    write_weights(state, into, about)
    return into


class Images(NamedTuple):
    """Generated images with labels of whole images."""

    pixels: Tensor
    """uint8 (N, 3, H, W)"""
    tags: Tensor
    """float32 (N, classes), 1 where a class is shown"""


def _image(index: int, kind: str, seed: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    if kind == "portraits":
        scene = render_portrait(seed, index, size)
    else:
        scene = render_scene(seed + 1, index, size, size)
    shown = np.bincount(scene.thing_classes().ravel(), minlength=len(THING_NAMES) + 1)[1:]
    return scene.image, (shown >= LEAST_VISIBLE * size * size).astype(np.float32)


LEAST_VISIBLE = 0.01
"""Least share of an image that a class covers to be one of the image's labels."""


def generated(stage: Stage, first: int, count: int, settings: Pretraining) -> Images:
    """Return `count` images of a stage's kind from number `first` on, always the same."""
    render = partial(_image, kind=stage.images, seed=settings.image_seed, size=stage.image_size)
    with process_pool(settings.processes) as pool:
        pairs = list(pool.map(render, range(first, first + count), chunksize=64))
    pixels = torch.from_numpy(np.stack([image for image, _ in pairs])).permute(0, 3, 1, 2)
    return Images(pixels.contiguous(), torch.from_numpy(np.stack([tags for _, tags in pairs])))


def random_views(images: Tensor, side: int, scale: tuple[float, float]) -> Tensor:
    """Return random crops, flips and exposures of a batch.

    images: uint8 (B, 3, H, W) -> normalised float (B, 3, side, side).
    """
    batch = images.shape[0]
    zoom = torch.empty(batch).uniform_(*scale).sqrt()  # side of the crop, as a share
    shift = (1 - zoom) * torch.empty(2, batch).uniform_(-1, 1)
    theta = torch.zeros(batch, 2, 3)
    theta[:, 0, 0] = torch.where(torch.rand(batch) < 0.5, -zoom, zoom)
    theta[:, 1, 1] = zoom
    theta[:, 0, 2], theta[:, 1, 2] = shift
    grid = nn.functional.affine_grid(theta, [batch, 3, side, side], align_corners=False)
    views = nn.functional.grid_sample(images.float() / 255, grid, align_corners=False)
    gain = torch.empty(batch, 3, 1, 1).uniform_(0.8, 1.2)
    contrast = torch.empty(batch, 1, 1, 1).uniform_(0.7, 1.3)
    mean = views.mean(dim=(1, 2, 3), keepdim=True)
    return normalise(((views - mean) * contrast + mean) * gain)


class Tagger(nn.Module):
    """A network and a linear layer on its pooled tokens: (B, 3, H, W) -> (B, classes)."""

    def __init__(self, network: VisionTransformer, pool: str, strongest: int) -> None:
        super().__init__()
        self.network, self.pool, self.strongest = network, pool, strongest
        self.layer = nn.Linear(network.embed_dim, len(THING_NAMES))

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.network.forward_features(images)  # (B, 1 + patches, dim)
        if self.pool == "token":
            return self.layer(tokens[:, 0])
        if self.pool == "average":
            return self.layer(tokens[:, 1:].mean(dim=1))
        logits = self.layer(tokens[:, 1:])  # (B, patches, classes)
        return logits.topk(self.strongest, dim=1).values.mean(dim=1)


def pretrain(network: VisionTransformer, settings: Pretraining) -> float:
    """Train a network in place, stage after stage; return its held-out mean AP, 0 to 1."""
    precision = 0.0
    for number, stage in enumerate(settings.stages):
        log.info(f"stage {number + 1}: {stage.images}, told from {stage.pool}")
        train = generated(stage, 0, stage.count, settings)
        held_out = generated(stage, stage.count, settings.held_out, settings)
        torch.manual_seed(settings.seed + number)
        model = Tagger(network, stage.pool, settings.strongest)
        precision = _run_stage(model, train, held_out, stage, settings)
    return precision


def _run_stage(
    model: Tagger, train: Images, held_out: Images, stage: Stage, settings: Pretraining
) -> float:
    optimiser = torch.optim.AdamW(model.parameters(), weight_decay=settings.weight_decay)
    started, precision = time.perf_counter(), 0.0
    # A portrait shows one thing, so its classes exclude one another. A scene shows several.
    alone = stage.images == "portraits"
    compare = (
        nn.functional.cross_entropy if alone else nn.functional.binary_cross_entropy_with_logits
    )
    model.train()
    for step in range(stage.steps):
        for group in optimiser.param_groups:
            group["lr"] = cosine(step, stage.steps, stage.learning_rate, 0.0, settings.warmup_steps)
        picked = torch.randint(len(train.pixels), (settings.batch_size,))
        side = stage.sides[int(torch.randint(len(stage.sides), ()))]
        views = random_views(train.pixels[picked], side, stage.crop_scale)
        with torch.autocast("cpu", torch.bfloat16, enabled=fast_half("cpu") is not None):
            logits = model(views)  # (B, classes)
        loss = compare(logits.float(), train.tags[picked])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        if step % 200 == 0 or step == stage.steps - 1:
            precision = _precision(model, held_out, stage.sides[0])
            seconds = time.perf_counter() - started
            log.info(
                f"step {step}/{stage.steps}  loss {loss.item():.3f}  "
                f"held-out mean AP {precision:.3f}  {seconds:.0f} s"
            )
    return precision


@torch.inference_mode()
def _precision(model: nn.Module, images: Images, side: int) -> float:
    model.eval()
    size = images.pixels.shape[-1]
    middle = slice((size - side) // 2, (size - side) // 2 + side)
    batches = images.pixels[:, :, middle, middle].split(100)
    scores = torch.cat([model(normalise(batch.float() / 255)) for batch in batches])
    model.train()
    return average_precision(scores, images.tags)


def average_precision(scores: Tensor, tags: Tensor) -> float:
    """Return the mean over classes of average precision; both (images, classes)."""
    hits = tags.gather(0, scores.argsort(dim=0, descending=True))  # best first, per class
    precision = hits.cumsum(0) / torch.arange(1, len(hits) + 1).unsqueeze(1)
    return float(((precision * hits).sum(0) / hits.sum(0).clamp(min=1)).mean())
