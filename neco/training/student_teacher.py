"""Student and teacher: a backbone with a projection head each.

A backbone comes in; out come the student that is trained and the teacher that follows it.
"""

import copy

import torch
from torch import Tensor, nn

from neco.backbones.backbone import Backbone
from neco.config.training import Train
from neco.errors import UserError
from neco.head import ProjectionHead

RANKED = 2048
"""How many tokens the logged rank is computed of: enough for the 768 dimensions of a ViT-B."""


class Projected(nn.Module):
    """A backbone and its projection head."""

    def __init__(self, backbone: Backbone, head: ProjectionHead) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.seen: Tensor | None = None
        """Some of the backbone's tokens (N, dim) of the first group of the last call, whose rank is
        logged."""

    def forward(self, crops: list[Tensor]) -> list[list[Tensor]]:
        """Return projected patch tokens of every crop.

        crops: groups (B, count, 3, H, W) of crops of one size. Returns, for each group, `count`
        grids (B, rows, columns, D). Distributed training needs one call for all groups.
        """
        tokens = [self.backbone(group.flatten(0, 1)) for group in crops]
        self.seen = some_tokens(tokens[0])
        return [
            list(self.head(grids).unflatten(0, group.shape[:2]).unbind(dim=1))
            for grids, group in zip(tokens, crops, strict=True)
        ]


def some_tokens(grids: Tensor) -> Tensor:
    """Return at most `RANKED` tokens (N, dim), spread evenly over grids (B, rows, columns, dim)."""
    tokens = grids.detach().flatten(0, 2)
    return tokens[:: -(-len(tokens) // RANKED)]


def freeze_early_blocks(backbone: Backbone, trainable: int | None) -> None:
    """Keep gradient on the last `trainable` blocks and the final norm only; None keeps it on
    all."""
    if trainable is None:
        return
    refuse_too_many_blocks(backbone, trainable)
    blocks = backbone.blocks()
    backbone.model.requires_grad_(False)
    for part in (*blocks[len(blocks) - trainable :], backbone.final_norm()):
        part.requires_grad_(True)


def refuse_too_many_blocks(backbone: Backbone, trainable: int | None) -> None:
    """Raise UserError where more blocks are to be trained than there are."""
    count = len(backbone.blocks())
    if trainable is not None and trainable > count:
        raise UserError(
            f"train.trainable_blocks {trainable}: the backbone has only {count} blocks; "
            "lower it, or set it to null to train all"
        )


def make_student(backbone: Backbone, settings: Train) -> Projected:
    """Return the network that is trained. Its head's start is drawn from torch's own generator."""
    freeze_early_blocks(backbone, settings.trainable_blocks)
    return Projected(backbone, ProjectionHead(backbone.dim, settings.head))


def make_teacher(student: Projected, settings: Train) -> Projected:
    """Return a copy of the student without gradient, in evaluation mode, where it drops no paths.

    Its head gets random weights of its own where the settings say so. The released code builds
    student and teacher one after the other and fills only their backbones with pretrained weights.
    """
    teacher = copy.deepcopy(student)
    if settings.teacher.head == "apart" and settings.head.start in ("random", "uniform"):
        device = next(student.parameters()).device
        teacher.head = ProjectionHead(student.backbone.dim, settings.head).to(device)
    return teacher.requires_grad_(False).eval()


@torch.no_grad()
def follow(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    """Move the teacher towards the student: t = momentum * t + (1 - momentum) * s, in place."""
    targets: list[Tensor] = list(teacher.parameters())
    sources = [parameter.detach() for parameter in student.parameters()]
    torch._foreach_lerp_(targets, sources, 1 - momentum)


def compile_blocks(network: Projected) -> None:
    """Compile the blocks of a backbone, in place: all share one graph for each size of crop."""
    for block in network.backbone.blocks():
        block.compile(dynamic=False)
