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


def test_a_cpu_held_to_older_instructions_counts_as_one_without_bfloat16(monkeypatch):
    monkeypatch.setattr(precision.Path, "read_text", lambda self: "flags : avx2 amx_bf16")
    monkeypatch.setattr(precision.Path, "exists", lambda self: True)
    for capability, expected in [("AVX512", torch.bfloat16), ("AVX2", None), ("DEFAULT", None)]:
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda c=capability: c)
        precision.fast_half.cache_clear()
        assert precision.fast_half("cpu") == expected
    precision.fast_half.cache_clear()
