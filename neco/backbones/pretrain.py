"""Pretrain the demo's small Vision Transformer at image level, as the paper's backbones are.

It learns to name the one thing of a generated, object-centric portrait, first from its class token,
then from the mean of its patch tokens: no mask, no patch label, no scene of several things. The
shipped weights come from this module with the default settings.
"""

import logging
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from neco.backbones.load import build_network, write_weights
from neco.backbones.registry import backbone_spec
from neco.config.pretraining import Pretraining, Stage
from neco.data.scenes.scene import THING_NAMES, render_portrait
from neco.training.schedules import cosine
from neco.views import normalise

log = logging.getLogger(__name__)


def write_demo_backbone(into: Path, settings: Pretraining) -> Path:
    """Pretrain the architecture of `demo-vit` and write its weights, without the classifier."""
    spec = backbone_spec("demo-vit")
    network = build_network(spec)
    accuracy = pretrain(network, settings)
    about = {"backbone": spec.name, "source": "neco pretrain", "accuracy": f"{accuracy:.3f}"}
    # Half precision on disk: a file of a few MB. Loading turns it back into float32.
    state = {key: value.detach().half() for key, value in network.state_dict().items()}
    write_weights(state, into, about)
    return into


def _portrait(index: int, settings: Pretraining) -> tuple[np.ndarray, int]:
    scene = render_portrait(settings.portrait_seed, index, settings.portrait_size)
    return scene.image, THING_NAMES.index(scene.things[0])


def portraits(first: int, count: int, settings: Pretraining) -> tuple[Tensor, Tensor]:
    """Return images, uint8 (count, 3, size, size), and their classes, int64 (count,)."""
    with ProcessPoolExecutor(settings.processes) as pool:
        numbers = range(first, first + count)
        pairs = list(pool.map(partial(_portrait, settings=settings), numbers, chunksize=64))
    images = torch.from_numpy(np.stack([image for image, _ in pairs])).permute(0, 3, 1, 2)
    return images.contiguous(), torch.tensor([label for _, label in pairs])


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


class Classifier(nn.Module):
    """A network and a linear layer on its pooled tokens: (B, 3, H, W) -> (B, classes)."""

    def __init__(self, network: VisionTransformer, pool: str) -> None:
        super().__init__()
        self.network, self.pool = network, pool
        self.layer = nn.Linear(network.embed_dim, len(THING_NAMES))

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.network.forward_features(images)  # (B, 1 + patches, dim)
        pooled = tokens[:, 0] if self.pool == "token" else tokens[:, 1:].mean(dim=1)
        return self.layer(pooled)


def pretrain(network: VisionTransformer, settings: Pretraining) -> float:
    """Train a network in place, stage after stage; return its held-out accuracy, 0 to 1."""
    train = portraits(0, settings.portraits, settings)
    held_out = portraits(settings.portraits, settings.held_out, settings)
    accuracy = 0.0
    for number, stage in enumerate(settings.stages):
        torch.manual_seed(settings.seed + number)
        log.info(f"stage {number + 1}: {stage.pool}")
        with plain_attention(network):
            accuracy = _run_stage(Classifier(network, stage.pool), train, held_out, stage, settings)
    return accuracy


def _run_stage(
    model: Classifier,
    train: tuple[Tensor, Tensor],
    held_out: tuple[Tensor, Tensor],
    stage: Stage,
    settings: Pretraining,
) -> float:
    images, labels = train
    optimiser = torch.optim.AdamW(model.parameters(), weight_decay=settings.weight_decay)
    started, accuracy = time.perf_counter(), 0.0
    model.train()
    for step in range(stage.steps):
        for group in optimiser.param_groups:
            group["lr"] = cosine(step, stage.steps, stage.learning_rate, 0.0, settings.warmup_steps)
        picked = torch.randint(len(images), (settings.batch_size,))
        side = stage.sides[int(torch.randint(len(stage.sides), ()))]
        views = random_views(images[picked], side, settings.crop_scale)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(views)  # (B, classes)
        loss = nn.functional.cross_entropy(logits.float(), labels[picked])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        if step % 200 == 0 or step == stage.steps - 1:
            accuracy = _accuracy(model, *held_out, stage.sides[0])
            seconds = time.perf_counter() - started
            log.info(
                f"step {step}/{stage.steps}  loss {loss.item():.3f}  "
                f"held-out accuracy {accuracy:.3f}  {seconds:.0f} s"
            )
    return accuracy


@contextmanager
def plain_attention(network: VisionTransformer) -> Iterator[None]:
    """Within, attend by plain matrix products: three times faster than fused bfloat16 on a CPU."""
    fused = [block.attn.fused_attn for block in network.blocks]
    for block in network.blocks:
        block.attn.fused_attn = False
    try:
        yield
    finally:
        for block, was in zip(network.blocks, fused, strict=True):
            block.attn.fused_attn = was


@torch.inference_mode()
def _accuracy(model: nn.Module, images: Tensor, labels: Tensor, side: int) -> float:
    model.eval()
    size = images.shape[-1]
    middle = slice((size - side) // 2, (size - side) // 2 + side)
    batches = images[:, :, middle, middle].split(100)
    found = torch.cat([model(normalise(batch.float() / 255)).argmax(dim=1) for batch in batches])
    model.train()
    return float((found == labels).float().mean())
