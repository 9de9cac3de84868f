"""A batch in parts trains as the whole: losses, weights, queue."""

import pytest
import torch

from neco.config import Train
from neco.config.base import validated
from neco.errors import UserError
from neco.loss import LossTerms
from neco.training.launch import launch, refuse_unequal_shares
from neco.training.step import parts_of, total
from tests.training.test_processes import CASES, trained, without_keys
from tests.training.tiny import small


@pytest.mark.parametrize(
    ("case", "parts"),
    [("student", 4), ("teacher", 2), ("queue", 2), ("own references", 2), ("foreground", 4)],
)
def test_a_batch_in_parts_trains_as_the_whole(case, parts):
    fabric = launch(1, 1, "32-true", accelerator="cpu")
    expected, found = trained(case, fabric), trained(case, fabric, accumulate=parts)
    torch.testing.assert_close(found["losses"], expected.pop("losses"), rtol=1e-5, atol=0)
    for name, value in expected.items():
        torch.testing.assert_close(without_keys(name, found[name]), without_keys(name, value),
                                   rtol=1e-6, atol=5e-5)  # fmt: skip


def test_gradient_into_references_needs_one_part():
    assert CASES["student with gradient"]["loss"]["references"]["gradient"]
    with pytest.raises(UserError, match="needs the batch in one part; set accumulate to 1"):
        small(accumulate=2, **CASES["student with gradient"])


def test_parts_hold_every_image_once():
    assert [list(range(6))[part] for part in parts_of(6, 3)] == [[0, 1], [2, 3], [4, 5]]
    with pytest.raises(UserError, match="6 must be a multiple of the 2 processes times"):
        refuse_unequal_shares(small(batch_size=6, accumulate=2), 2)


def test_terms_add_up():
    parts = [LossTerms(torch.tensor(a), torch.tensor(b), torch.full((2, 3), a))
             for a, b in ((1.0, 2.0), (3.0, 5.0))]  # fmt: skip
    whole = total(parts)
    assert (float(whole.loss), float(whole.floor)) == (4.0, 7.0) and whole.aligned.shape == (4, 3)


def test_a_checkpoint_goes_on_in_other_parts():
    one, two = (validated(Train, {"accumulate": parts}, "test") for parts in (1, 2))
    assert one.identity() == two.identity() and one != two
