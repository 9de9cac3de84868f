"""Student and teacher: a backbone with a projection head each.

A backbone comes in. The student, which is trained, and the teacher, which follows it, come out.
"""

import copy

import torch
from torch import Tensor, nn

from neco.backbones.backbone import Backbone
from neco.config.training import Train
from neco.errors import UserError
from neco.head import ProjectionHead

RANKED = 2048
"""How many tokens the logged rank is computed from: enough for a ViT-B's 768 dimensions."""


class Projected(nn.Module):
    """A backbone and its projection head."""

    def __init__(self, backbone: Backbone, head: ProjectionHead) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.backbone_tokens: Tensor | None = None
        """(N, dim): some of the backbone's tokens from the last call, whose rank is logged."""

    def forward(self, groups: list[Tensor]) -> list[list[Tensor]]:
        """Return the projected patch tokens of all views.

        groups: views of one size each, (B, count, 3, H, W). For each group, the result has `count`
        grids (B, rows, columns, D). Distributed training needs one call for all groups.
        """
        tokens = [self.backbone(group.flatten(0, 1)) for group in groups]
        self.backbone_tokens = some_tokens(tokens[0])
        return [
            list(self.head(grids).unflatten(0, group.shape[:2]).unbind(dim=1))
            for grids, group in zip(tokens, groups, strict=True)
        ]


def some_tokens(grids: Tensor) -> Tensor:
    """Return at most `RANKED` tokens (N, dim), spread evenly over grids (B, rows, columns, dim)."""
    tokens = grids.detach().flatten(0, 2)
    return tokens[:: -(-len(tokens) // RANKED)]


def freeze_early_blocks(backbone: Backbone, trainable: int | None) -> None:
    """Let only the last `trainable` blocks and the final norm have gradient; None lets all.

    Raises UserError where the backbone has fewer blocks.
    """
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
    """Return the network that is trained. Torch's own generator draws its head's weights."""
    freeze_early_blocks(backbone, settings.trainable_blocks)
    return Projected(backbone, ProjectionHead(backbone.dim, settings.head))


def make_teacher(student: Projected, settings: Train) -> Projected:
    """Return a copy of the student without gradient. Its evaluation mode lets it drop no paths.

    Its head gets random weights of its own where the settings say so. In the released code it
    always has them: the code builds student and teacher one after the other, and only their
    backbones get pretrained weights.
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
