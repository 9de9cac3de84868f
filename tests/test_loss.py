"""The NeCo loss against a slow, obvious twin, and what must hold for any correct one."""

import itertools

import pytest
import torch
from torch.nn.functional import cosine_similarity
from torchvision.ops import roi_align

from neco.config import Loss, References, Sorting
from neco.loss import NeCoLoss, effective_rank
from neco.sorting import soft_sort

BATCH, DIM = 2, 6
BOXES = torch.tensor(
    [[[0, 0, 80, 80], [20, 10, 100, 90], [30, 30, 70, 70]],
     [[10, 0, 90, 100], [0, 20, 60, 100], [20, 30, 50, 80]]], dtype=torch.float32,
)  # fmt: skip


def grids(seed: int, sides: tuple[int, ...] = (8, 8, 4)) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(BATCH, side, side, DIM, generator=generator) for side in sides]


def settings(**changes) -> Loss:
    base = {"aligned_size": 3, "references": References(source="teacher", count=7)}
    return Loss(**(base | changes))


def compute(loss: Loss, student, teacher, foreground=None, seed: int = 0):
    return NeCoLoss(loss, DIM, torch.device("cpu"))(
        student, teacher, BOXES, torch.Generator().manual_seed(seed), foreground
    )


def twin(loss: Loss, student, teacher, seed: int = 0) -> float:
    """One image, one pair, one patch, one reference at a time."""
    size = loss.aligned_size
    pairs = [(g, v) for g, v in itertools.product(range(2), range(3)) if g != v]

    def read(grid, crop, image, g, v):
        a, b = BOXES[image, g], BOXES[image, v]
        region = torch.cat([torch.maximum(a[:2], b[:2]), torch.minimum(a[2:], b[2:])])
        side = grid.shape[1]
        origin, extent = BOXES[image, crop, :2], BOXES[image, crop, 2:] - BOXES[image, crop, :2]
        box = (region.view(2, 2) - origin) / extent * side
        pooled = roi_align(
            grid[image].permute(2, 0, 1)[None], [box.reshape(1, 4)], size, aligned=True
        )
        return pooled[0].flatten(1).T

    teachers = [torch.stack([read(teacher[g], g, i, g, v) for i in range(BATCH)]) for g, v in pairs]
    generator = torch.Generator().manual_seed(seed)
    losses = []
    for number, (g, v) in enumerate(pairs):
        pool = teachers[number].reshape(-1, DIM)  # the pair's own patches, of both images
        deck = torch.randperm(len(pool), generator=generator)
        for image in range(BATCH):
            references = pool[deck[7 * image : 7 * (image + 1)]]
            students = read(student[v], v, image, g, v)
            for patch in range(size * size):
                both = []
                for feature in (students[patch], teachers[number][image, patch]):
                    row = cosine_similarity(feature[None], references)
                    row = row if loss.order == "similarity" else 1 - row
                    both.append(soft_sort(row[None], network="bitonic", relaxation="cauchy",
                                          steepness=100.0)[1][0])  # fmt: skip
                s, t = both
                term = -(t * s.clamp(min=1e-30).log()).sum(0).mean()
                if loss.two_way:
                    term = term - (s * t.clamp(min=1e-30).log()).sum(0).mean()
                losses.append(term)
    return float(torch.stack(losses).mean())


@pytest.mark.parametrize("two_way", [True, False])
@pytest.mark.parametrize("order", ["distance", "similarity"])
def test_equals_the_slow_twin(two_way, order):
    loss = settings(two_way=two_way, order=order)
    student, teacher = grids(1), grids(2)[:2]
    expected = twin(loss, student, teacher)
    assert float(compute(loss, student, teacher).loss) == pytest.approx(expected, rel=1e-4)


def constant_grids(value: torch.Tensor) -> list[torch.Tensor]:
    return [value.expand(BATCH, side, side, DIM) for side in (8, 8, 4)]


def test_identical_views_reach_the_floor():
    same = constant_grids(torch.randn(DIM, generator=torch.Generator().manual_seed(3)))
    terms = compute(settings(), same, same[:2])
    assert float(terms.loss) == pytest.approx(float(terms.floor), abs=1e-5)


def test_different_views_stay_above_the_floor():
    terms = compute(settings(), grids(1), grids(2)[:2])
    assert float(terms.loss - terms.floor) > 0.1


def test_order_of_references_does_not_matter():
    """Permuting the references permutes Q's rows alike for student and teacher."""
    rows = torch.rand(5, 9)
    shuffled = rows[:, torch.randperm(9, generator=torch.Generator().manual_seed(0))]
    kind = {"network": "odd_even", "relaxation": "cauchy", "steepness": 1e6}
    ordered, mixed = soft_sort(rows, **kind)[0], soft_sort(shuffled, **kind)[0]
    torch.testing.assert_close(ordered, mixed, atol=1e-4, rtol=0)


def test_gradient_reaches_every_student_crop_and_no_teacher():
    student = [grid.requires_grad_() for grid in grids(1)]
    teacher = [grid.requires_grad_() for grid in grids(2)[:2]]
    compute(settings(two_way=False), student, teacher).loss.backward()
    assert all(grid.grad.abs().sum() > 0 for grid in student)
    assert all(grid.grad is None or grid.grad.abs().sum() == 0 for grid in teacher)


def test_student_references_pass_gradient_only_when_asked():
    gradients = []
    for gradient in (False, True):
        student = [grid.requires_grad_() for grid in grids(1)]
        references = References(source="student", count=7, gradient=gradient)
        compute(settings(references=references), student, grids(2)[:2]).loss.backward()
        gradients.append(student[0].grad.clone())
    assert not torch.allclose(*gradients)


def test_foreground_and_background_part_the_patches():
    student, teacher = grids(1), grids(2)[:2]
    everywhere = [torch.ones(BATCH, 8, 8, dtype=torch.bool)] * 2
    both = compute(settings(), student, teacher).loss
    full = compute(settings(patches="foreground"), student, teacher, everywhere).loss
    none = compute(settings(patches="background"), student, teacher, everywhere).loss
    assert float(full) == pytest.approx(float(both), rel=1e-5)
    assert float(none) == 0.0
    left = torch.zeros(BATCH, 8, 8, dtype=torch.bool)
    left[:, :, :4] = True
    part = compute(settings(patches="foreground"), student, teacher, [left, left]).loss
    assert float(part) != pytest.approx(float(both), rel=1e-3)


def test_nearest_k_changes_what_enters():
    student, teacher = grids(1), grids(2)[:2]
    few = compute(settings(nearest=2), student, teacher).loss
    assert float(few) != pytest.approx(float(compute(settings(), student, teacher).loss), rel=1e-3)
    every = compute(settings(nearest=7), student, teacher).loss
    assert float(every) == pytest.approx(float(compute(settings(), student, teacher).loss))


def test_queue_serves_references_once_it_can():
    references = References(source="queue", count=7, queue_length=30, queue_per_image=2)
    loss = NeCoLoss(settings(references=references), DIM, torch.device("cpu"))
    generator = torch.Generator().manual_seed(0)
    for expected in (4, 8, 12):  # filled: two for each of two images and queues
        assert torch.isfinite(loss(grids(1), grids(2)[:2], BOXES, generator).loss)
        assert loss.queue.filled == expected


def test_a_queue_holds_raw_tokens_of_its_own_global_crop():
    references = References(source="queue", count=7, queue_length=30, queue_per_image=4)
    loss = NeCoLoss(settings(references=references), DIM, torch.device("cpu"))
    teacher = grids(2)[:2]
    targets = loss.targets(teacher, [], BOXES, torch.Generator().manual_seed(0))
    assert targets.references.shape == (4, BATCH, 7, DIM)
    assert loss.queue.tokens.shape == (2, 30, DIM)
    for pair, g in enumerate((0, 0, 1, 1)):
        own = {tuple(token) for token in teacher[g].flatten(0, 2).tolist()}
        drawn = targets.references[pair].flatten(0, 1).tolist()
        assert {tuple(reference) for reference in drawn} <= own


def test_references_of_a_pair_are_patches_of_that_pair():
    targets = NeCoLoss(settings(), DIM, torch.device("cpu")).targets(
        grids(2)[:2], [], BOXES, torch.Generator().manual_seed(0)
    )
    for pair in range(4):
        own = {tuple(patch) for patch in targets.aligned[pair].flatten(0, 1).tolist()}
        drawn = [tuple(row) for row in targets.references[pair].flatten(0, 1).tolist()]
        assert len(set(drawn)) == BATCH * 7 and set(drawn) <= own  # dealt: each serves once


@pytest.mark.parametrize("network", ["bitonic", "odd_even"])
def test_collapsed_features_give_a_finite_loss(network):
    zero = constant_grids(torch.zeros(DIM))
    student = [grid.clone().requires_grad_() for grid in zero]
    terms = compute(settings(sorting=Sorting(network=network)), student, zero[:2])
    terms.loss.backward()
    assert torch.isfinite(terms.loss)
    assert all(torch.isfinite(grid.grad).all() for grid in student if grid.grad is not None)


@pytest.mark.parametrize("decay", [0.0, 0.01, 0.3])
def test_effective_rank_is_that_of_the_singular_values(decay):
    torch.manual_seed(0)
    tokens = torch.randn(300, 64) * torch.exp(-decay * torch.arange(64)) + 3
    spectrum = torch.linalg.svdvals((tokens - tokens.mean(dim=0)).double()) ** 2
    entropy = torch.distributions.Categorical(spectrum).entropy()
    assert effective_rank(tokens) == pytest.approx(float(entropy.exp()), rel=1e-4)


def test_effective_rank():
    assert effective_rank(torch.ones(50, 4) + 1e-6 * torch.randn(50, 1)) < 1.5
    directions = torch.cat([torch.eye(4), -torch.eye(4)])
    assert effective_rank(directions) == pytest.approx(4.0, abs=1e-3)
