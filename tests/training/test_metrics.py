"""Rows of metrics that were lost come back from the checkpoint."""

import logging

import pytest

from neco.training import train
from tests.training.tiny import small, stopped_after, tiny_backbone, without_times


@pytest.mark.parametrize("damage", ["lost", "torn", "foreign"])
def test_lost_rows_of_metrics_are_restored(photos, tmp_path, monkeypatch, caplog, damage):
    train(tiny_backbone(), photos, small(), tmp_path / "whole")
    parts = tmp_path / "parts"
    stopped_after(photos, parts, monkeypatch, 2)
    rows_so_far = parts / "metrics.partial"
    if damage == "lost":
        rows_so_far.unlink()
    elif damage == "torn":
        rows_so_far.write_bytes(rows_so_far.read_bytes()[:-30])
    else:
        rows_so_far.write_bytes(b"\xff\xfe\n0,x\n")
    with caplog.at_level(logging.WARNING):
        train(tiny_backbone(), photos, small(), parts)
    assert "metrics.partial: lost or torn; its 3 rows are taken from the checkpoint" in caplog.text
    assert without_times(tmp_path / "whole") == without_times(parts)
