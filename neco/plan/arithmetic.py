"""Floating-point operations of networks. A multiplication and an addition count as two."""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from neco.backbones.backbone import isotropic
from neco.backbones.registry import backbone_spec
from neco.config.training import Train

BACKWARD = 2
"""How many forward passes a backward pass costs."""


@dataclass(frozen=True)
class Shape:
    """What decides how many operations a Vision Transformer takes."""

    depth: int
    dim: int
    hidden: int
    patch_size: int
    prefix_tokens: int


@cache
def shape_of(backbone: str) -> Shape | None:
    """Return the shape of a backbone, or None where it is not a sequence of blocks.

    Patch colours and pyramids such as ConvNeXt are none; their operations are not counted.
    """
    spec = backbone_spec(backbone)
    if not spec.architecture:
        return None
    import timm
    import torch

    with torch.device("meta"):
        model = timm.create_model(spec.architecture, num_classes=0, **spec.overrides)
    if not isotropic(model):
        return None
    mlp = sum(weight.numel() for weight in model.blocks[0].mlp.parameters() if weight.ndim == 2)
    return Shape(
        depth=spec.first_blocks or len(model.blocks),
        dim=model.embed_dim,
        hidden=mlp // (2 * model.embed_dim),  # a gated MLP has three matrices instead of two
        patch_size=spec.patch_size,
        prefix_tokens=spec.prefix_tokens,
    )


def forward_flops(shape: Shape | None, side: int) -> float:
    """Return the operations of one square image of `side` pixels through the network."""
    if shape is None:
        return 0.0
    patches = (side // shape.patch_size) ** 2
    tokens = patches + shape.prefix_tokens
    weights = 4 * shape.dim**2 + 2 * shape.dim * shape.hidden
    block = 2 * tokens * weights + 4 * tokens**2 * shape.dim
    embedding = 2 * patches * 3 * shape.patch_size**2 * shape.dim
    return float(shape.depth * block + embedding)


def training_flops(shape: Shape | None, settings: Train) -> float:
    """Return the operations of one image in a NeCo step: student, teacher and their heads.

    Alignment and sort are left out: below one per cent.
    """
    if shape is None:
        return 0.0
    crops = settings.crops
    views = [(crops.global_count, crops.global_size), (crops.local_count, crops.local_size)]
    student = sum(count * _with_head(shape, side, settings) for count, side in views)
    teacher = crops.global_count * _with_head(shape, crops.global_size, settings)
    return (1 + BACKWARD) * student + (teacher if settings.teacher.kind == "ema" else 0.0)


def _with_head(shape: Shape, side: int, settings: Train) -> float:
    head = settings.head
    widths = [shape.dim, *[head.hidden] * max(0, head.layers - 1), head.output]
    layers = pairwise(widths) if head.layers else ()
    patches = (side // shape.patch_size) ** 2
    return forward_flops(shape, side) + 2 * patches * sum(a * b for a, b in layers)
