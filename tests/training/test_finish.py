"""Results of a finished training: put back, never half written, never computed twice."""

import pytest

from neco.training import train
from tests.training.tiny import small, stopped_after, tiny_backbone, without_times


def test_a_finished_training_is_put_back_and_not_run_again(photos, tmp_path, monkeypatch):
    """A workflow deletes the results of a step that was killed before it noted its end."""
    output = train(tiny_backbone(), photos, small(), tmp_path)
    names = ("backbone.safetensors", "metrics.csv", "training.json")
    before = [(tmp_path / name).read_bytes() for name in names]
    for name in names:
        (tmp_path / name).unlink()
    with monkeypatch.context() as patched:
        patched.setattr("neco.training.loop.Training", None)  # nothing is trained
        assert train(tiny_backbone(), photos, small(), tmp_path) == output
    assert [(tmp_path / name).read_bytes() for name in names] == before
    changed = train(tiny_backbone(), photos, small(seed=7), tmp_path)
    seven = changed.read_bytes()
    assert seven != before[0]
    changed.write_bytes(b"damaged")  # the record's file too: they are one
    train(tiny_backbone(), photos, small(seed=7), tmp_path)
    assert changed.read_bytes() == seven


def test_a_kill_while_results_are_written_loses_nothing(photos, tmp_path, monkeypatch):
    train(tiny_backbone(), photos, small(), tmp_path / "whole")
    parts = tmp_path / "parts"
    stopped_after(photos, parts, monkeypatch, 2)
    for place in ("whole_folder", "_put_back", "remove_checkpoint"):
        with monkeypatch.context() as patched:
            patched.setattr(f"neco.training.finish.{place}", None)
            with pytest.raises(TypeError):
                train(tiny_backbone(), photos, small(), parts)
        recorded = (parts / ".finished").exists()
        assert (parts / "checkpoint.ckpt").exists()
        assert recorded == (place != "whole_folder")
    train(tiny_backbone(), photos, small(), parts)
    assert without_times(tmp_path / "whole") == without_times(parts)
    assert not (parts / "checkpoint.ckpt").exists()
