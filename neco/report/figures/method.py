"""The method on one real batch: a backbone and images come in, Figure 1's content comes out."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from neco.align import align, in_grid, intersection
from neco.backbones.backbone import Backbone
from neco.config.training import Train
from neco.data.dataset import Dataset
from neco.normalisation import IMAGENET
from neco.sorting import SortSettings, soft_sort, sorting_cross_entropy
from neco.views import MultiCropDataset, collate, photometric

REFERENCE_IMAGES = 6


@dataclass(frozen=True)
class Side:
    """What one of the two networks sees and computes for the first image of the batch."""

    view: np.ndarray
    """float (H, W, 3), 0 to 1, with its colours changed"""
    region: np.ndarray
    """(4,), the box in which the crops overlap, in pixels of the view"""
    aligned: Tensor
    """(S*S, dim), the aligned patches"""
    distances: Tensor
    """(R,), those of the marked patch to the references, which are in the order of the teacher's
    distances"""
    order: Tensor
    """(R, R), the marked patch's relaxed permutation Q: references in the same order by
    positions"""


@dataclass(frozen=True)
class Method:
    """Everything that the figure shows, computed once."""

    image: np.ndarray
    boxes: np.ndarray
    """(2, 4), the boxes of the teacher's and the student's crop in pixels of the image"""
    teacher: Side
    student: Side
    batch: list[np.ndarray]
    """the views of the batch that references come from"""
    references: list[list[int]]
    """for each of these views, which patches of its grid are references"""
    grid: tuple[int, int]
    """rows and columns of a view's patches"""
    marked: int
    """the number of the aligned patch that the figure follows"""
    loss: float
    floor: float


@torch.no_grad()
def compute(backbone: Backbone, dataset: Dataset, settings: Train, seed: int) -> Method:
    """Return the method's steps on one batch, through the training's own functions."""
    generator = torch.Generator().manual_seed(seed)
    count = min(REFERENCE_IMAGES + 1, len(dataset))
    chosen = np.random.default_rng(seed).choice(len(dataset), count, replace=False)
    multicrop = MultiCropDataset(dataset, settings.crops, seed)
    batch = collate([multicrop[(0, int(index))] for index in chosen])
    views = [
        photometric(batch.global_views[:, which], settings.photometric, generator)
        for which in (0, 1)
    ]  # each (B, 3, H, W)
    grids = [backbone(view).float() for view in views]  # each (B, rows, columns, dim)
    boxes = batch.boxes[:, :2]  # (B, 2, 4)
    region = intersection(boxes[:, 0], boxes[:, 1])  # (B, 4)
    size = settings.loss.aligned_size
    aligned = [align(grids[i], region, boxes[:, i], size)[0] for i in (0, 1)]  # (S*S, dim)

    rows, columns = grids[1].shape[1:3]
    others = grids[1][1:].reshape(-1, grids[1].shape[-1])  # the student's patches, other images
    width = min(settings.loss.references.count, len(others))
    drawn_patches = torch.rand(len(others), generator=generator).topk(width).indices
    references = normalize(others[drawn_patches], dim=-1).T  # (dim, R)
    distances = [1 - normalize(patches, dim=-1) @ references for patches in aligned]

    sorting = settings.loss.sorting
    marked = _distinct(aligned[0])
    steepness = (sorting.teacher_steepness, sorting.student_steepness)
    orders = [
        soft_sort(
            distances[i][marked : marked + 1],
            network=sorting.network,
            relaxation=sorting.relaxation,
            steepness=steepness[i],
            phi_lambda=sorting.phi_lambda,
        )[1][0]
        for i in (0, 1)
    ]
    by_teacher = distances[0][marked].argsort()  # the figure's order of references
    sort = SortSettings(two_way=settings.loss.two_way, **sorting.model_dump())
    terms = sorting_cross_entropy(distances[1], distances[0], sort)
    places = [in_grid(region, boxes[:, i], *views[i].shape[-2:])[0].numpy() for i in (0, 1)]
    sides = [
        Side(
            view=_visible(views[i][0]),
            region=places[i],
            aligned=aligned[i],
            distances=distances[i][marked][by_teacher],
            order=orders[i][by_teacher],
        )
        for i in (0, 1)
    ]
    per_image: list[list[int]] = [[] for _ in range(count - 1)]
    for patch in drawn_patches.tolist():
        per_image[patch // (rows * columns)].append(patch % (rows * columns))
    return Method(
        image=np.asarray(dataset.items[int(chosen[0])].read_image()),
        boxes=boxes[0].numpy(),
        teacher=sides[0],
        student=sides[1],
        batch=[_visible(view) for view in views[1][1:]],
        references=per_image,
        grid=(rows, columns),
        marked=marked,
        loss=float(terms.loss.mean()),
        floor=float(terms.floor.mean()),
    )


def _distinct(aligned: Tensor) -> int:
    """Return which aligned patch differs most from their mean, since that is rarely background."""
    unit = normalize(aligned, dim=-1)
    mean = normalize(unit.mean(dim=0), dim=0)
    return int((unit @ mean).argmin())


def _visible(view: Tensor) -> np.ndarray:
    """Return a normalised view (3, H, W) as an image (H, W, 3) in 0 to 1."""
    mean = view.new_tensor(IMAGENET[0]).view(3, 1, 1)
    std = view.new_tensor(IMAGENET[1]).view(3, 1, 1)
    return (view * std + mean).clamp(0, 1).permute(1, 2, 0).numpy()
