"""The NeCo loss in a training loop of one's own: here a timm network and random photographs.

    python examples/own_loop.py

What the loss needs of a loop: grids of features of two or more views of each image, the boxes that
the views were cut from, and a teacher that follows the student slowly.
"""

import copy

import timm
import torch
from torch import Tensor, nn
from torchvision.transforms.functional import resized_crop

from neco.config import Loss, References
from neco.loss import NeCoLoss

SIDE, PATCH = 64, 16


class Student(nn.Module):
    """Any network that turns images (B, 3, H, W) into a grid (B, rows, columns, D) will do."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = timm.create_model("test_vit", num_classes=0, dynamic_img_size=True)
        self.head = nn.Linear(self.backbone.num_features, 32)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.backbone.forward_features(images)[:, self.backbone.num_prefix_tokens :]
        side = images.shape[-1] // PATCH
        return self.head(tokens).unflatten(1, (side, side))


def two_views(images: Tensor, generator: torch.Generator) -> tuple[list[Tensor], Tensor]:
    """Return two crops of each image, (B, 3, SIDE, SIDE) each, and their boxes (B, 2, 4).

    A box is (left, top, right, bottom) in pixels of the image. The loss reads from the boxes where
    two crops show the same place. So crops of an image have to overlap: 3/4 of each side do.
    """
    height, width = images.shape[-2] * 3 // 4, images.shape[-1] * 3 // 4
    views, boxes = [], []
    for _ in range(2):
        crops, places = [], []
        for image in images:
            top = int(torch.randint(image.shape[1] - height + 1, (), generator=generator))
            left = int(torch.randint(image.shape[2] - width + 1, (), generator=generator))
            crops.append(resized_crop(image, top, left, height, width, [SIDE, SIDE]))
            places.append([left, top, left + width, top + height])
        views.append(torch.stack(crops))
        boxes.append(torch.tensor(places, dtype=torch.float32))
    return views, torch.stack(boxes, dim=1)


@torch.no_grad()
def follow(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    """Move the teacher a little towards the student: its order of patches is the target, and a
    target that jumped with every step would teach nothing."""
    for slow, fast in zip(teacher.parameters(), student.parameters(), strict=True):
        slow.lerp_(fast, 1 - momentum)


def train(images: Tensor, steps: int = 5, batch: int = 4, seed: int = 0) -> list[float]:
    """Train on images (N, 3, H, W) and return the loss of every step."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    student = Student()
    teacher = copy.deepcopy(student).requires_grad_(False)
    optimiser = torch.optim.AdamW(student.parameters(), lr=1e-4)
    # 4 x 4 places of each pair of crops, each compared with 16 patches of the batch.
    settings = Loss(aligned_size=4, references=References(count=16))
    neco = NeCoLoss(settings, dim=32, device=images.device)
    losses = []
    for _ in range(steps):
        chosen = torch.randperm(len(images), generator=generator)[:batch]
        views, boxes = two_views(images[chosen], generator)
        with torch.no_grad():  # gradients into the targets would let both networks collapse
            targets = [teacher(view) for view in views]
        # Inside: both views are aligned to the region where they meet, every aligned patch is
        # compared with the references, and the two orders of these, sorted softly, are compared.
        terms = neco([student(view) for view in views], targets, boxes, generator)
        optimiser.zero_grad()
        terms.loss.backward()
        optimiser.step()
        follow(teacher, student, momentum=0.99)
        losses.append(terms.loss.item())
        # The loss cannot fall below the targets' own entropy: watch what is above it.
        above = (terms.loss - terms.floor).item()
        print(f"loss {losses[-1]:.3f}, above the least possible {above:.3f}")
    return losses


if __name__ == "__main__":
    train(torch.rand(8, 3, 96, 96))
