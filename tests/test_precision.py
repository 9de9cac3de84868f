"""`auto` follows the hardware; a slow choice is carried out, with a warning."""

import logging

import pytest
import torch

from neco import precision
from neco.precision import training_precision


@pytest.mark.parametrize(
    ("half", "expected"), [(torch.bfloat16, "bf16-mixed"), (None, "32-true")], ids=str
)
def test_auto_is_bfloat16_where_a_cpu_has_it(monkeypatch, half, expected):
    monkeypatch.setattr(precision, "fast_half", lambda kind: half)
    assert training_precision("auto", "cpu") == expected


def test_what_is_asked_for_by_name_is_kept_and_a_slow_choice_is_told(monkeypatch, caplog):
    monkeypatch.setattr(precision, "fast_half", lambda kind: None)
    with caplog.at_level(logging.WARNING):
        assert training_precision("32-true", "cpu") == "32-true"
        assert not caplog.records
        assert training_precision("bf16-mixed", "cpu") == "bf16-mixed"
    assert "auto or 32-true" in caplog.text
