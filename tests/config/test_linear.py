"""Settings of evaluations that contradict each other."""

from neco.config import Project
from neco.config.base import validated
from tests.config.refusal import refused


def test_a_step_of_the_learning_rate_that_never_comes_is_refused():
    refused({"linear": {"decay_epochs": 20}}, "linear: decay_epochs: a step after 20 of 20 epochs")
    assert validated(Project, {"linear": {"preset": "released"}}, "").linear.decay_epochs == 20
