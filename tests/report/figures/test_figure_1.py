import pytest
import torch

from neco.backbones.backbone import PatchColours
from neco.config.training import Train
from neco.data.dataset import Dataset
from neco.report.figures.method import Method, compute

SETTINGS = Train.model_validate(
    {"crops": {"global_size": 32, "local_size": 16}, "loss": {"references": {"count": 16}}}
)


@pytest.fixture
def method(scenes: tuple[Dataset, Dataset]) -> Method:
    return compute(PatchColours(4).eval(), scenes[0], SETTINGS, seed=0)


def test_orders_are_relaxed_permutations_and_distances_ascend(method: Method) -> None:
    for side in (method.teacher, method.student):
        assert side.aligned.shape == (49, 12)
        assert side.order.shape == (16, 16)
        assert torch.allclose(side.order.sum(dim=0), torch.ones(16), atol=1e-4)
        assert torch.allclose(side.order.sum(dim=1), torch.ones(16), atol=1e-4)
    assert (method.teacher.distances.diff() >= 0).all()


def test_the_loss_is_above_its_floor(method: Method) -> None:
    assert method.loss > method.floor > 0


def test_references_are_patches_of_the_other_images(method: Method) -> None:
    assert sum(map(len, method.references)) == 16
    assert len(method.references) == len(method.batch)
    cells = method.grid[0] * method.grid[1]
    assert all(0 <= patch < cells for patches in method.references for patch in patches)
