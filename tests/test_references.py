"""References: who is drawn, from where, and the queue."""

import pytest
import torch

from neco.config import References
from neco.errors import UserError
from neco.references import ReferenceQueue, draw_references


def labelled_pool(batch: int, patches: int) -> torch.Tensor:
    """A pool (B, P, 2) whose features name their image and patch."""
    image = torch.arange(batch).view(-1, 1).expand(batch, patches)
    patch = torch.arange(patches).expand(batch, patches)
    return torch.stack([image, patch], dim=-1).float()


def draw(batch: int = 4, patches: int = 10, **settings) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return draw_references(labelled_pool(batch, patches), References(**settings), generator)


def test_one_draw_for_all_images():
    drawn = draw(count=20)
    assert drawn.shape == (1, 20, 2)
    assert len({tuple(row) for row in drawn[0].tolist()}) == 20


def test_one_draw_per_image_from_the_batch():
    drawn = draw(count=20, shared=False)
    assert drawn.shape == (4, 20, 2)
    assert not torch.equal(drawn[0], drawn[1])
    assert set(drawn[0, :, 0].tolist()) == {0.0, 1.0, 2.0, 3.0}


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
    queue = ReferenceQueue(settings, 1, torch.device("cpu"))
    generator = torch.Generator().manual_seed(0)
    assert not queue.ready()
    for value in range(5):
        queue.push(torch.full((2, 3, 1), float(value)), generator)
    assert queue.ready() and queue.filled == 6
    assert queue.features.flatten().tolist() == [4, 4, 3, 3, 2, 2]
    assert queue.draw(5, generator).shape == (1, 4, 1)
    copy = ReferenceQueue(settings, 1, torch.device("cpu"))
    copy.load_state_dict(queue.state_dict())
    assert torch.equal(copy.features, queue.features) and copy.filled == 6
