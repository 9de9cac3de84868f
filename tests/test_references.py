"""References: who is drawn, from where, and the queue."""

import pytest
import torch

from neco.config import References
from neco.errors import UserError
from neco.references import ReferenceQueue, dealt, distinct, draw_references, shuffled


def labelled_pool(batch: int, patches: int) -> torch.Tensor:
    """A pool (B, P, 2) whose features name their image and patch."""
    image = torch.arange(batch).view(-1, 1).expand(batch, patches)
    patch = torch.arange(patches).expand(batch, patches)
    return torch.stack([image, patch], dim=-1).float()


def draw(batch: int = 4, patches: int = 10, **settings) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    pools = labelled_pool(batch, patches).unsqueeze(0)
    return draw_references(pools, References(**settings), generator)[0]


def test_every_pool_has_a_draw_of_its_own():
    pools = torch.stack([labelled_pool(4, 10), labelled_pool(4, 10) + 100])
    drawn = draw_references(pools, References(count=10), torch.Generator().manual_seed(0))
    assert drawn.shape == (2, 4, 10, 2)
    assert drawn[0].max() < 100 <= drawn[1].min()
    assert not torch.equal(drawn[0], drawn[1] - 100)


def test_one_draw_for_all_images():
    drawn = draw(count=20, shared=True)
    assert drawn.shape == (1, 20, 2)
    assert len({tuple(row) for row in drawn[0].tolist()}) == 20


def test_the_batch_is_dealt_out_to_its_images():
    drawn = draw(count=10)
    assert drawn.shape == (4, 10, 2)
    assert len({tuple(row) for row in drawn.flatten(0, 1).tolist()}) == 40  # each serves once
    assert set(drawn[0, :, 0].tolist()) == {0.0, 1.0, 2.0, 3.0}


@pytest.mark.parametrize(("rows", "choices", "count"), [(5, 7, 3), (1, 9, 9), (64, 3136, 49)])
def test_a_deal_repeats_nothing_in_a_row_and_nothing_before_its_turn(rows, choices, count):
    hands = choices // count
    deal = dealt(rows, choices, References(count=count), torch.Generator().manual_seed(1))
    assert deal.shape == (rows, count) and int(deal.max()) < choices
    for start in range(0, rows, hands):
        deck = deal[start : start + hands].flatten().tolist()
        assert len(set(deck)) == len(deck)


@pytest.mark.parametrize("choices", [12, 500])
def test_distinct_draws_are_distinct_and_even(choices):
    """Both ways of drawing: sorting random numbers, and drawing equal numbers again."""
    drawn = distinct(4000, choices, 10, torch.Generator().manual_seed(2))
    assert all(len(set(row)) == 10 for row in drawn.tolist())
    times = drawn.flatten().bincount(minlength=choices).double()
    expected = 4000 * 10 / choices
    deviation = (expected * (1 - 10 / choices)) ** 0.5
    assert float((times - expected).abs().max()) < 5 * deviation


@pytest.mark.parametrize("choices", [20, 500])
def test_shuffled_draws_are_distinct_and_every_place_is_even(choices):
    generator = torch.Generator().manual_seed(3)
    drawn = torch.stack([shuffled(choices, 5, generator) for _ in range(4000)])
    assert all(len(set(row)) == 5 for row in drawn.tolist())
    for place in drawn.T:  # an order by size would put small numbers first
        assert abs(float(place.double().mean()) - (choices - 1) / 2) < 0.03 * choices


def test_intra_stays_in_the_image_and_inter_leaves_it():
    intra, inter = draw(count=9, scope="intra"), draw(count=30, scope="inter")
    for image in range(4):
        assert set(intra[image, :, 0].tolist()) == {float(image)}
        others = {float(other) for other in range(4)} - {float(image)}
        assert set(inter[image, :, 0].tolist()) == others
        assert len({tuple(row) for row in inter[image].tolist()}) == 30


def test_too_few_patches_is_said():
    with pytest.raises(UserError, match=r"references\.count 11 .* there are 10"):
        draw(count=11, scope="intra")


def test_queue_holds_the_latest_first():
    settings = References(source="queue", count=4, queue_length=6, queue_per_image=1)
    queue = ReferenceQueue(settings, 2, 1, torch.device("cpu"))
    generator = torch.Generator().manual_seed(0)
    assert not queue.ready()
    for value in range(5):
        grids = [torch.full((2, 3, 1, 1), float(value) + crop) for crop in (0, 100)]
        queue.push(grids, generator)
    assert queue.ready() and queue.filled == 6
    assert queue.tokens[0].flatten().tolist() == [4, 4, 3, 3, 2, 2]
    assert queue.tokens[1].flatten().tolist() == [104, 104, 103, 103, 102, 102]
    drawn = queue.draw([0, 1, 1], 5, generator)
    assert drawn.shape == (3, 5, 4, 1)
    assert drawn[0].max() < 100 <= drawn[1:].min()
    copy = ReferenceQueue(settings, 2, 1, torch.device("cpu"))
    copy.load_state_dict(queue.state_dict())
    assert torch.equal(copy.tokens, queue.tokens) and copy.filled == 6
